"""`graft data convert` between all formats, of data sets that hypothesis makes: what is kept, and that losses are said.

Images are known by their bytes: a converted image is a copy, whatever it is called.
"""

from __future__ import annotations

import io
import json
import re
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from graft.cli.data import convert_data
from graft.data import Sample, read
from graft.errors import DataError
from graft.plugins import load_plugins
from graft.recipe.schema import Data
from graft_detection.objects import Objects

PLUGINS = load_plugins(names=["detection"])
FORMATS = {"coco": "", "voc": "", "yolo": "data.yaml", "csv": "boxes.csv"}
SPLITS = (None, "train", "val", "test")
UPRIGHT = {3: Image.Transpose.ROTATE_180, 6: Image.Transpose.ROTATE_90, 8: Image.Transpose.ROTATE_270}
"""What undoes the turn of an EXIF orientation."""

LETTERS = st.text("aZ1é猫😀क़ .&<>'\"#%,;:=-_\u00a0\u200d", min_size=1, max_size=6)


@dataclass(frozen=True)
class Picture:
    name: str
    size: tuple[int, int]
    """(H, W), upright."""
    objects: Objects
    split: str | None
    turn: int
    """EXIF orientation."""

    def encoded(self, number: int) -> bytes:
        pixels = np.random.default_rng(number).integers(0, 255, (*self.size, 3), np.uint8)
        stream, exif = io.BytesIO(), Image.Exif()
        exif[0x0112] = self.turn
        turned = Image.fromarray(pixels)
        turned = turned.transpose(UPRIGHT[self.turn]) if self.turn in UPRIGHT else turned
        turned.save(stream, "PNG" if self.name.endswith("png") else "JPEG", exif=exif)
        return stream.getvalue()


@st.composite
def boxes(draw: st.DrawFn, size: tuple[int, int]) -> list[float]:
    whole = draw(st.booleans())
    edges = []
    for side in (size[1], size[0]):
        length = draw(st.integers(1, side) if whole else st.floats(1, side, width=32))
        first = draw(st.integers(0, int(side - length)) if whole else st.floats(0, float(side - length)))
        edges.append((float(first), min(float(side), float(first + length))))
    (left, right), (top, bottom) = edges
    return [left, top, right, bottom]


@st.composite
def pictures(draw: st.DrawFn, classes: Sequence[str], split: st.SearchStrategy[str | None]) -> Picture:
    size = draw(st.tuples(st.integers(2, 41), st.integers(2, 41)))
    corners = draw(st.lists(boxes(size), max_size=3))
    each = {"min_size": len(corners), "max_size": len(corners)}
    flags = st.lists(st.booleans(), **each)
    labels = draw(st.lists(st.sampled_from(classes), **each))
    objects = Objects.of(corners, labels, crowd=draw(flags), difficult=draw(flags), size=size)
    folder, end = draw(st.sampled_from(("", "", "x/", "deep er/é/"))), draw(st.sampled_from((".png", ".jpg", ".JPG")))
    turn = draw(st.sampled_from((1, *UPRIGHT)))
    return Picture(f"{folder}{draw(LETTERS)}{end}", size, objects, draw(split), turn)


@st.composite
def sets(draw: st.DrawFn) -> tuple[list[str], list[Picture]]:
    """Return class names, of which some have no objects, and images in splits, or in none."""
    names = LETTERS.map(str.strip).filter(bool)
    classes = draw(st.lists(names, min_size=1, max_size=3, unique=True))
    split = st.sampled_from(SPLITS[1:]) if draw(st.booleans()) else st.none()
    made = draw(st.lists(pictures(classes, split), min_size=1, max_size=4, unique_by=lambda one: one.name))
    return classes, made


def write(folder: Path, classes: Sequence[str], made: Sequence[Picture]) -> dict[bytes, Picture]:
    """Write COCO by hand, with gaps in the ids, and return each image by its bytes."""
    by_bytes = {}
    documents: dict[str, dict[str, list[Any]]] = {}
    categories = [{"id": 7 * number + 2, "name": name} for number, name in enumerate(classes)]
    for number, one in enumerate(made):
        file = folder / "images" / one.name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(one.encoded(number))
        by_bytes[file.read_bytes()] = one
        document = documents.setdefault(
            one.split or "all", {"images": [], "annotations": [], "categories": list(categories)}
        )
        height, width = one.size
        document["images"].append({"id": 3 * number, "file_name": one.name, "width": width, "height": height})
        for box, label, crowd, difficult in zip(
            one.objects.boxes.astype(np.float64).tolist(),
            one.objects.labels,
            one.objects.crowd.tolist(),
            one.objects.difficult.tolist(),
            strict=True,
        ):
            document["annotations"].append(
                {
                    "image_id": 3 * number,
                    "category_id": 7 * classes.index(label) + 2,
                    "bbox": [box[0], box[1], box[2] - box[0], box[3] - box[1]],
                    "iscrowd": int(crowd),
                    "difficult": int(difficult),
                }
            )
    for stem, document in documents.items():
        (folder / f"{stem}.json").write_text(json.dumps(document))
    return by_bytes


def converted(source: Path, out: Path, to: str) -> tuple[Path, str]:
    """Convert a data set, and return what reads it again, and what was said to be lost."""
    _, losses = convert_data(source, out, to=to, plugins=PLUGINS)
    return out / FORMATS[to], "\n".join(losses)


def held(one: Picture, to: str) -> Picture:
    """Return what a format can hold, but for where VOC's rounding puts the edges."""
    own = one.objects
    if to == "voc":
        own = replace(own, crowd=own.crowd & False, difficult=own.difficult | own.crowd)
    if to == "yolo":
        single = ~own.crowd
        labels = [label for label, keep in zip(own.labels, single, strict=True) if keep]
        own = Objects.of(own.boxes[single], labels, size=own.size)
        return replace(one, objects=own, split=one.split or "train")
    return replace(one, objects=own)


def assert_losses_are_said(said: str, made: Sequence[Picture], samples: Sequence[Sample], to: str) -> None:
    crowds = sum(int(one.objects.crowd.sum()) for one in made)
    difficult = sum(int((one.objects.difficult & ~one.objects.crowd).sum()) for one in made)
    edges = [sample.target.boxes for sample in samples if len(sample.target)]
    rounded = sum(int((np.abs(each - np.round(each)) > 2e-3).any(axis=1).sum()) for each in edges)
    assert (f"{crowds} boxes are crowds, and become difficult objects" in said) == (to == "voc" and crowds > 0)
    assert (f"{crowds} boxes are crowds, and are left out" in said) == (to == "yolo" and crowds > 0)
    assert (f"{difficult} boxes are no longer marked as difficult" in said) == (to == "yolo" and difficult > 0)
    if to != "voc":
        assert "are rounded" not in said
    elif rounded:
        assert "boxes are rounded to whole pixels, by up to" in said


def assert_kept(samples: Sequence[Sample], expected: dict[bytes, Picture]) -> None:
    """Every image, box, class, flag and split is there, boxes within half a pixel of the first source's."""
    assert len(samples) == len(expected)
    for sample in samples:
        one, found = expected[sample.path.read_bytes()], sample.target
        assert (found.size, sample.split, found.labels) == (one.size, one.split, one.objects.labels)
        np.testing.assert_array_equal(found.crowd, one.objects.crowd)
        np.testing.assert_array_equal(found.difficult, one.objects.difficult)
        moved = np.abs(found.boxes - one.objects.boxes)
        # VOC has no single pixel: its readers, ours too, take one for a slip of the hand.
        sides = one.objects.boxes[:, 2:] - one.objects.boxes[:, :2]
        allowed = np.where((sides < 2).all(axis=1, keepdims=True), 1.5, 0.5)
        assert (moved <= allowed + 1e-4).all()


def samples_of(path: Path) -> tuple[Sample, ...]:
    return read(Data(train=str(path)), takes="boxes", reader=None, options=None, plugins=PLUGINS).samples


@settings(max_examples=40, deadline=None, derandomize=True)
@given(sets())
def test_every_pair_of_formats__keeps_boxes_and_classes_and_says_what_is_lost(
    given_set: tuple[list[str], list[Picture]],
) -> None:
    with tempfile.TemporaryDirectory() as name:
        root = Path(name)
        source = write(root / "source", *given_set)
        for first in FORMATS:
            one, said = converted(root / "source", root / first, first)
            kept = {key: held(picture, first) for key, picture in source.items()}
            assert_losses_are_said(said, list(source.values()), samples_of(root / "source"), first)
            own = samples_of(one)
            assert_kept(own, kept)
            for second in FORMATS:
                two, said = converted(one, root / f"{first}-{second}", second)
                assert_losses_are_said(said, list(kept.values()), own, second)
                assert_kept(samples_of(two), {key: held(picture, second) for key, picture in kept.items()})


@settings(max_examples=40, deadline=None, derandomize=True)
@given(sets())
def test_coco_to_voc_to_yolo_to_coco__keeps_every_box_within_half_a_pixel(
    given_set: tuple[list[str], list[Picture]],
) -> None:
    with tempfile.TemporaryDirectory() as name:
        root = Path(name)
        expected = write(root / "0", *given_set)
        place = root / "0"
        for number, to in enumerate(("voc", "yolo", "coco"), 1):
            place, _ = converted(place, root / str(number), to)
            expected = {key: held(picture, to) for key, picture in expected.items()}
        assert_kept(samples_of(place), expected)
        classes = read(Data(train=str(place)), takes="boxes", reader=None, options=None, plugins=PLUGINS).classes
        assert set(classes) == {label for one in given_set[1] for label in one.objects.labels}


@pytest.mark.parametrize("to", FORMATS)
@pytest.mark.parametrize("name", [" cat", "cat\n", "ca\tt", "c\x01", "c\x85t", "c\u2028t", '"\\', "😀", "\x7f"])
def test_odd_names_of_classes__come_back_or_are_refused(tmp_path: Path, to: str, name: str) -> None:
    objects = Objects.of([[1, 1, 5, 5], [2, 2, 6, 6]], [name, "dog"], size=(8, 8))
    write(tmp_path / "source", ["dog", name], [Picture("a.png", (8, 8), objects, "train", 1)])
    if to in ("voc", "csv") and (name != name.strip() or any(ord(letter) < 32 for letter in name)):
        with pytest.raises(DataError, match=re.escape(f"class {name!r}")):
            converted(tmp_path / "source", tmp_path / "out", to)
        assert not (tmp_path / "out").exists()
        return
    place, _ = converted(tmp_path / "source", tmp_path / "out", to)
    (sample,) = samples_of(place)
    assert sample.target.labels == (name, "dog")


@pytest.mark.parametrize("to", FORMATS)
@pytest.mark.parametrize(
    "name", [" a.png", "a\nb.png", ".hidden.png", "a .png", "a\\b.png", "a\u2028.png", "a\x7f.png"]
)
def test_odd_names_of_files__are_changed_and_that_is_said(tmp_path: Path, to: str, name: str) -> None:
    objects = Objects.of([[1, 1, 5, 5]], ["dog"], size=(8, 8))
    expected = write(tmp_path / "source", ["dog"], [Picture(name, (8, 8), objects, "train", 1)])
    place, said = converted(tmp_path / "source", tmp_path / "out", to)
    assert_kept(samples_of(place), expected)
    assert "1 images get another name" in said


def test_yolo__an_image_that_its_programs_would_not_find_is_refused(tmp_path: Path) -> None:
    objects = Objects.of([[1, 1, 5, 5]], ["dog"], size=(8, 8))
    expected = write(tmp_path / "source", ["dog"], [Picture("0001", (8, 8), objects, "train", 1)])
    with pytest.raises(DataError, match="0001: does not end as the name of an image"):
        converted(tmp_path / "source", tmp_path / "out", "yolo")
    for to in ("coco", "voc", "csv"):
        assert_kept(samples_of(converted(tmp_path / "source", tmp_path / to, to)[0]), expected)
