"""Damaged masks and outlines: each is refused with its place, or counted."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from graft.plugins import load_plugins
from graft_segmentation.options import TaskOptions
from graft_segmentation.task import SegmentationTask
from malformed import GONE, Case, assert_seen, changed

PLUGINS = load_plugins(names=["segmentation"])
SIZE = (20, 30)


def png(values: np.ndarray, kind: str = "PNG", **options: Any) -> bytes:
    out = io.BytesIO()
    Image.fromarray(values).save(out, kind, **options)
    return out.getvalue()


GOOD = np.zeros(SIZE, np.uint8)
GOOD[5:12, 4:20] = 1
WITH_7 = GOOD.copy()
WITH_7[0, :3] = 7
COLOURED = np.zeros((*SIZE, 3), np.uint8)
COLOURED[5:12] = (255, 0, 0)
STRANGE = COLOURED.copy()
STRANGE[0, 0] = (1, 2, 3)
IMAGES = {f"images/{name}.png": png(np.full((*SIZE, 3), 90 + i, np.uint8)) for i, name in enumerate("ab")}
NAMED = {"classes": ["ground", "road"]}


def masks() -> Iterator[Case]:
    good = {**IMAGES, "masks/a.png": png(GOOD), "masks/b.png": png(GOOD)}

    def case(name: str, said: str, content: bytes | None = None, **options: Any) -> Case:
        files = {**good} if content is None else {**good, "masks/a.png": content}
        return Case(name, "masks", ".", files, refused=(said, "a.png"), options=options or NAMED)

    for shape in ((20, 29), (19, 30), (1, 1), (30, 20), (40, 60)):
        yield case(f"size {shape}", "pixels large, the image 30 × 20", png(np.zeros(shape, np.uint8)))
    yield case("unknown value", "has the values 7, which stand for no class", png(WITH_7))
    yield case("all unknown", "which stand for no class", png(np.arange(600, dtype=np.uint8).reshape(SIZE) % 200))
    yield case("16 bits", "1000", png(np.full(SIZE, 1000, np.uint16)))
    yield case("in colour", "in colour", png(COLOURED))
    yield case("empty", "the file is empty", b"")
    yield case("text", "not one of", b"hello, I am a mask")
    yield case("a header alone", "a.png", png(GOOD)[:20])
    yield case("truncated", "a.png", png(np.random.default_rng(0).integers(0, 2, SIZE).astype(np.uint8))[:-30])
    yield case("another kind of file", "not one of", b"%PDF-1.4 \n%%EOF")
    yield case("a web page", "not one of", b"<html><img src=x></html>")
    yield case("float", "a.png", png(np.full(SIZE, 0.5, np.float32), "TIFF"))
    colours = {"classes": {"ground": "#000000", "road": "#ff0000"}}
    yield case("unknown colour", "has the colours #010203", png(STRANGE), **colours)
    yield case("smoothed by JPEG", "which stand for no class", png(COLOURED, "JPEG", quality=30), **colours)
    missing = {name: content for name, content in good.items() if name != "masks/a.png"}
    yield Case("no mask", "masks", ".", missing, refused=("images/a.png", "has no mask of its name"), options=NAMED)
    bare = {"masks/a.png": png(GOOD), "images/note.txt": b"x"}
    yield Case("no image", "masks", ".", bare, refused=("there is no image in the folder of images",), options=NAMED)
    yield Case("no folders", "masks", ".", {"x/a.png": png(GOOD)}, refused=("no folder of images beside one of masks",))
    for name, table, said in (
        ("not numbers", b"name,r,g,b\nroad,255,zero,0\nground,0,0,0\n", "class_dict.csv line 2"),
        ("out of range", b"name,r,g,b\nroad,256,0,0\nground,0,0,0\n", "class_dict.csv line 2"),
        ("too few cells", b"name,r,g,b\nroad,255\nground,0,0,0\n", "class_dict.csv line 2"),
        ("one colour twice", b"name,r,g,b\nroad,0,0,0\nground,0,0,0\n", "stands for 'road', too"),
    ):
        files = {**good, "class_dict.csv": table}
        yield Case(f"table: {name}", "masks", ".", files, refused=(said,))
    overlap = {**IMAGES, **{f"masks/{name}/{image}.png": png(GOOD * 255) for name in ("car", "road") for image in "ab"}}
    yield Case(
        "classes overlap", "masks", ".", overlap, refused=("overlaps other classes in 112 pixels", "labels=multi")
    )
    sizes = {**overlap, "masks/road/a.png": png(np.zeros((3, 3), np.uint8))}
    yield Case("masks of two sizes", "masks", ".", sizes, refused=("pixels large, and other masks",))


def pairs() -> Iterator[Case]:
    good = {**IMAGES, "masks/a.png": png(GOOD), "masks/b.png": png(GOOD)}
    first = "images/a.png,masks/a.png,train\n"

    def case(name: str, text: str | bytes, *said: str) -> Case:
        content = text if isinstance(text, bytes) else text.encode()
        return Case(name, "pairs", "pairs.csv", {**good, "pairs.csv": content}, refused=said, options=NAMED)

    head = "image,mask,split\n"
    rows = {
        "no image": (",masks/b.png,val", "no path"),
        "no mask": ("images/b.png,,val", "no mask"),
        "missing mask": ("images/b.png,masks/zebra.png,val", "the mask masks/zebra.png does not exist"),
        "missing image": ("images/zebra.png,masks/b.png,val", "zebra.png"),
        "twice": (first.strip(), "images/a.png is in line 2 already"),
        "unknown split": ("images/b.png,masks/b.png,vla", "the split 'vla' is none"),
        "too many cells": ("images/b.png,masks/b.png,val,x", "4 cells, where the header has 3 columns"),
        "too few cells": ("images/b.png,masks/b.png", "2 cells, where the header has 3 columns"),
        "null": ("images/b\0.png,masks/b.png,val", "pairs.csv"),
        "null in the mask": ("images/b.png,masks/b\0.png,val", "pairs.csv"),
        "a folder for a mask": ("images/b.png,masks,val", "the mask masks does not exist"),
    }
    for name, (row, said) in rows.items():
        yield case(name, head + first + row + "\n", said)
    yield case("no column", "image,msk\n" + first, "no column 'mask' for data.reader.mask", "did you mean 'msk'?")
    yield case("empty", "", "is empty")
    yield case("header alone", head, "no rows")
    yield case("latin-1", "image,mask\nimages/é.png,masks/a.png\n".encode("latin-1"), "not UTF-8 text")
    yield case("zeros", b"\0" * 40, "pairs.csv")
    yield case("a long cell", head + f"images/{'a' * 200_000}.png,masks/a.png,train\n", "pairs.csv")


COCO: dict[str, Any] = {
    "images": [
        {"id": 1, "file_name": "images/a.png", "width": 30, "height": 20},
        {"id": 2, "file_name": "images/b.png", "width": 30, "height": 20},
    ],
    "annotations": [
        {"id": 1, "image_id": 1, "category_id": 1, "segmentation": [[2, 2, 20, 2, 20, 12, 2, 12]]},
        {"id": 2, "image_id": 2, "category_id": 2, "segmentation": {"size": [20, 30], "counts": [100, 40, 460]}},
    ],
    "categories": [{"id": 1, "name": "car"}, {"id": 2, "name": "road"}],
}
POLYGON, RUNS = "annotations.0.segmentation", "annotations.1.segmentation"
CHANGES: list[tuple[str, Any, str]] = [
    *((POLYGON, bad, "annotations[0]") for bad in (
        [[1, 1]], [[1, 1, 5, 5]], [[1, 1, 5, 5, 9]], [], [[]], "1,1,5,5,9,9", None, 7, [["1", 1, 5, 5, 9, 9]],
        [[1, 1, 5, None, 9, 9]], {"size": [20, 30]}, {"counts": [600]}, [[10**400, 1, 5, 5, 9, 9]], GONE)),
    (POLYGON, [[1e400, 1, 5, 5, 9, 9]], "Infinity is no number"),
    *((RUNS, {"size": [20, 30], "counts": bad}, "annotations[1]") for bad in (
        [100, 40, 461], [100], [], [-1, 601], ["100", 500], "!!", [100.5, 499.5], None, 600, [10**12])),
    *((RUNS, {"size": bad, "counts": [100, 40, 460]}, "annotations[1]") for bad in (
        [30, 20], [20], [0, 0], "20x30", None, [-20, -30])),
    ("annotations.0.category_id", 9, "category_id: 9 is no category (there are 1, 2)"),
    ("annotations.0.category_id", GONE, "annotations[0]: has no category_id"),
    ("annotations.0.image_id", 9, "image_id: 9 is no image's"),
    ("annotations.0.image_id", GONE, "annotations[0]: has no image_id"),
    ("annotations.0", 3, "annotations[0]"),
    ("annotations.0", None, "annotations[0]"),
    ("images.0.file_name", "../a.png", "leads out of"),
    ("images.0.file_name", "/etc/passwd", "leads out of"),
    ("images.0.file_name", "images/zebra.png", "zebra.png"),
    ("images.0.file_name", "images/a\0.png", "coco.json"),
    ("images.0.height", 19, "30 × 19 pixels (the file a.png is 30 × 20)"),
    ("images.0.width", 300, "300 × 20 pixels (the file a.png is 30 × 20)"),
    *((f"images.0.{key}", bad, "coco.json") for key in ("height", "width") for bad in ("x", None, GONE, -5, 10**9)),
    ("images.0.id", 2, "coco.json"),
    ("images.0", 3, "coco.json"),
    *((key, bad, "coco.json") for key in ("images", "annotations", "categories") for bad in (GONE, 3, None)),
    ("images", [], "coco.json"),
    ("categories.0.id", GONE, "coco.json"),
    ("categories.0.name", GONE, "coco.json"),
    ("categories.1.id", 1, "coco.json"),
    ("categories.1.name", "car", "coco.json"),
]  # fmt: skip


def coco() -> Iterator[Case]:
    def case(name: str, content: bytes, *said: str) -> Case:
        return Case(name, "coco-masks", "coco.json", {**IMAGES, "coco.json": content}, refused=said)

    for place, value, said in CHANGES:
        shown = "gone" if value is GONE else repr(value)[:40]
        yield case(f"{place} {shown}", json.dumps(changed(COCO, place, value)).encode(), said)
    whole = json.dumps(COCO).encode()
    yield case("truncated", whole[:200], "coco.json")
    yield case("empty", b"", "coco.json")
    yield case("latin-1", whole.replace(b"car", b"ch\xe2r"), "coco.json")
    yield case("deep", b"[" * 5000 + b"]" * 5000, "coco.json")
    yield case("a list", b"[1, 2]", "coco.json")


CASES = [*masks(), *pairs(), *coco()]


@pytest.mark.parametrize("case", CASES, ids=str)
def test_damaged_masks__are_refused_or_counted(tmp_path: Path, case: Case) -> None:
    assert_seen(
        case,
        tmp_path,
        takes="masks",
        task=lambda classes: SegmentationTask(classes=classes, options=TaskOptions()),
        plugins=PLUGINS,
    )
