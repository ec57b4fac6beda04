"""Damaged annotations of boxes: each is refused with its place, or left out and counted."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from boxes import write_images
from graft.plugins import load_plugins
from graft_detection.options import TaskOptions
from graft_detection.task import DetectionTask
from malformed import GONE, Case, assert_seen, changed

PLUGINS = load_plugins(names=["detection"])
NAN, INF = float("nan"), float("inf")

COCO: dict[str, Any] = {
    "images": [
        {"id": 1, "file_name": "a.png", "width": 60, "height": 40},
        {"id": 2, "file_name": "b.png", "width": 30, "height": 30},
    ],
    "annotations": [
        {"id": 1, "image_id": 1, "category_id": 1, "bbox": [10, 5, 20, 30], "area": 600, "iscrowd": 0},
        {"id": 2, "image_id": 2, "category_id": 2, "bbox": [3, 4, 10, 6], "area": 60, "iscrowd": 0},
    ],
    "categories": [{"id": 1, "name": "cat"}, {"id": 2, "name": "dog"}],
}

COCO_REFUSED: list[tuple[str, Any, str]] = [
    ("annotations.0.bbox", [30, 35, -20, -30], "annotations[0].bbox: [30, 35, -20, -30] has a negative size"),
    ("annotations.1.bbox", [3, 4, 10, -6], "annotations[1].bbox"),
    *(("annotations.0.bbox", bad, "annotations[0].bbox") for bad in (
        [1, 2, 3], [1, 2, 3, 4, 5], [], "1,2,3,4", None, 7, {"x": 1}, [1, 2, 3, None], [1, 2, 3, "4"], [1, 2, True, 4],
        [[1, 2], [3, 4]], [10**400, 1, 2, 3], [1, 1, 2**60, 3], [1e300, 1, 2, 3], [-1e200, 0, 1e200, 1])),
    *(("annotations.0.bbox", [1, 2, bad, 4], "no JSON: ") for bad in (NAN, INF, -INF)),
    ("annotations.0.bbox", GONE, "annotations[0]: has no bbox"),
    ("annotations.0.category_id", 9, "annotations[0].category_id: 9 is no category"),
    *(("annotations.0.category_id", bad, "annotations[0].category_id") for bad in ("1", None, 1.5, True, [1], {}, -1)),
    ("annotations.0.category_id", GONE, "annotations[0]: has no category_id"),
    ("annotations.0.image_id", GONE, "annotations[0]: has no image_id"),
    ("annotations.1.id", 1, "annotations[1].id: the id 1 is that of annotations[0], too"),
    *(("annotations.0.area", bad, "annotations[0].area") for bad in (-1, "600", [600], {}, True)),
    *(("annotations.0.iscrowd", bad, "annotations[0].iscrowd") for bad in (2, "0", None, -1, [0], 0.5)),
    *(("annotations.0.difficult", bad, "annotations[0].difficult") for bad in (2, "yes", {})),
    *(("annotations.0", bad, "annotations[0]: is a ") for bad in ([1], "x", 5, True)),
    ("annotations.0", None, "annotations[0]"),
    *((key, bad, f"{key}: is a ") for key in ("images", "annotations", "categories") for bad in ({}, "x", 1)),
    *((key, GONE, f"{key}: is missing") for key in ("images", "annotations", "categories")),
    ("images", [], "lists no image"),
    ("images.0", 3, "images[0]: is a number"),
    ("images.0.file_name", GONE, "images[0]: has no file_name"),
    ("images.0.id", GONE, "images[0]: has no id"),
    *(("images.0.file_name", bad, "images[0].file_name") for bad in
        ("", None, 5, [], "a\0.png", "../a.png", "/etc/passwd", "C:\\a.png", "x/../../a.png")),
    ("images.0.file_name", "b.png", "images[1].file_name: 'b.png' is that of images[0], too"),
    ("images.0.file_name", "nowhere.png", "nowhere.png: no such file"),
    ("images.0.file_name", "n" * 300 + ".png", "annotations.json images[0]"),
    *(("images.0.id", bad, "images[0].id") for bad in (None, 1.5, [], {}, True)),
    ("images.1.id", 1, "images[1].id: the id 1 is that of images[0], too"),
    *(("images.0.width", bad, "images[0].width") for bad in (0, -60, "60", 59.5, [60], 10**30, True)),
    ("images.0.width", 61, "images[0]: annotated as an image of 61 × 40 pixels"),
    ("images.0.height", 4000, "images[0]: annotated as an image of 60 × 4000 pixels"),
    *(("categories.0.id", bad, "categories[0].id") for bad in ("1", None, 1.5, True, [])),
    ("categories.1.id", 1, "categories[1].id: the id 1 is there twice"),
    ("categories.1.name", "cat", "categories[1].name: the name 'cat' is there twice"),
    *(("categories.0.name", bad, "categories[0].name") for bad in ("", "  ", None, 3, [])),
    ("categories.0.name", GONE, "categories[0]: has no name"),
    ("categories", [], "annotations[0].category_id: 1 is no category"),
    ("annotations", [], "no object to train on"),
]  # fmt: skip

COCO_COUNTED: list[tuple[str, Any, str]] = [
    ("annotations.0.bbox", [10, 5, 0, 30], "1 boxes have no width or no height, and are left out"),
    ("annotations.0.bbox", [10, 5, 20, 0], "1 boxes have no width or no height, and are left out"),
    ("annotations.0.bbox", [10, 5, 0, 0], "1 boxes have no width or no height, and are left out"),
    ("annotations.0.bbox", [10, 5, 1e-300, 4], "1 boxes have no width or no height, and are left out"),
    ("annotations.0.bbox", [10.1, 5, 1e-9, 4], "1 boxes have no width or no height, and are left out"),
    ("annotations.0.bbox", [60, 5, 20, 30], "1 boxes lie outside of their image, and are left out"),
    ("annotations.0.bbox", [-50, -50, 20, 30], "1 boxes lie outside of their image, and are left out"),
    ("annotations.0.bbox", [1e14, 5, 20, 30], "1 boxes lie outside of their image, and are left out"),
    ("annotations.0.bbox", [50, 5, 20, 30], "1 boxes reach out of their image, and are cut at its edge"),
    ("annotations.0.bbox", [-5, -5, 20, 30], "1 boxes reach out of their image, and are cut at its edge"),
    ("annotations.0.bbox", [0, 0, 1e14, 1e14], "1 boxes reach out of their image, and are cut at its edge"),
    *(("annotations.2", {"id": 3, "image_id": bad, "category_id": 1, "bbox": [1, 1, 5, 5]},
        "1 annotations belong to no image, and are left out") for bad in (9, "1", None, 2.5, [], {})),
    ("annotations.2", {"image_id": 1, "category_id": 1, "bbox": [1, 1, 5, 5], "iscrowd": 1}, "1 boxes are crowds"),
]  # fmt: skip


def _json(document: Any) -> bytes:
    return json.dumps(document).encode()


def coco() -> Iterator[Case]:
    def case(name: str, content: bytes, *refused: str, counted: str = "") -> Case:
        return Case(name, "coco", "annotations.json", {"annotations.json": content}, refused, counted)

    for place, value, said in COCO_REFUSED:
        shown = "gone" if value is GONE else repr(value)[:40]
        where = () if "lists no image" in said or said == "no object to train on" else ("annotations.json",)
        yield case(f"{place} {shown}", _json(changed(COCO, place, value)), said, *where)
    for place, value, said in COCO_COUNTED:
        yield case(f"{place} {value!r:.40}", _json(changed(COCO, place, value)), counted=said)
    whole = _json(COCO)
    for share in (1, 50, len(whole) // 2, len(whole) - 1):
        yield case(f"cut after {share}", whole[:share], "annotations.json line 1: no JSON")
    texts = {
        "empty": (b"", "no JSON"),
        "blank": (b" \n", "no JSON"),
        "list": (b"[]", "is a JSON list"),
        "text": (b'"images"', "is a JSON text"),
        "null": (b"null", "is a JSON null"),
        "number": (b"12", "is a JSON number"),
        "trailing comma": (whole[:-1] + b",}", "line 1: no JSON"),
        "two documents": (whole + whole, "line 1: no JSON"),
        "comment": (b"// boxes\n" + whole, "line 1: no JSON"),
        "a key twice": (whole[:-1] + b', "images": []}', "the key 'images' is there twice"),
        "a key twice in a row": (whole.replace(b'{"id"', b'{"id": 8, "id"', 1), "the key 'id' is there twice"),
        "single quotes": (whole.replace(b'"', b"'"), "line 1: no JSON"),
        "deep lists": (b"[" * 100_000, "nested too deeply"),
        "deep objects": (b'{"images":' * 100_000, "nested too deeply"),
        "deep inside": (whole[:-1] + b', "info": ' + b"[" * 50_000 + b"]" * 50_000 + b"}", "nested too deeply"),
        "a number of 5,000 digits": (whole.replace(b"[10,", b"[" + b"9" * 5000 + b","), "no JSON"),
        "latin-1": (whole.replace(b"cat", "é".encode("latin-1")), "no text in UTF-8"),
        "utf-16": (whole.decode().encode("utf-16"), "no text in UTF-8"),
        "zeros": (b"\0" * 100, "no JSON"),
        "a control character in a text": (whole.replace(b"cat", b"c\x01t"), "no JSON"),
        "a PNG": (b"\x89PNG\r\n\x1a\n" + b"\0" * 20, "no text in UTF-8"),
        "XML": (b"<annotation/>", "line 1: no JSON"),
    }
    for name, (content, said) in texts.items():
        yield case(name, content, said, "annotations.json")


VOC_OBJECT = (
    "<object><name>cat</name><bndbox><xmin>11</xmin><ymin>6</ymin><xmax>30</xmax><ymax>35</ymax></bndbox></object>"
)
VOC = (
    "<annotation>\n<filename>a.png</filename>\n<size><width>60</width><height>40</height></size>\n"
    f"{VOC_OBJECT}\n</annotation>\n"
)
BOMB = '<!DOCTYPE a [<!ENTITY x0 "ha">' + "".join(f'<!ENTITY x{n} "{f"&x{n - 1};" * 10}">' for n in range(1, 10)) + "]>"


def voc() -> Iterator[Case]:
    def case(name: str, content: str | bytes, *refused: str, counted: str = "", **files: bytes) -> Case:
        own = content if isinstance(content, bytes) else content.encode()
        every = {"Annotations/a.xml": own, "Annotations/b.xml": VOC.replace("a.png", "b.png").replace("60", "30")
                 .replace("40<", "30<").replace(">35<", ">30<").encode(), **files}  # fmt: skip
        return Case(name, "voc", "", every, refused, counted)

    place = "Annotations/a.xml line"
    swaps = [
        ("swapped corners", "<xmin>11</xmin>", "<xmin>31</xmin>", "line 4: a box that ends before it begins"),
        ("swapped rows", "<ymin>6</ymin>", "<ymin>36</ymin>", "line 4: a box that ends before it begins"),
        *(
            (f"xmin {bad!r}", ">11<", f">{bad}<", "line 4: <xmin>")
            for bad in ("nan", "inf", "-inf", "", "eleven", "1_1", "1,1", "0x1", "1e999", "11 12")
        ),
        ("no xmin", "<xmin>11</xmin>", "", "line 4: no <xmin>"),
        ("no box", VOC_OBJECT, "<object><name>cat</name></object>", "line 4: an object without a <bndbox>"),
        ("no name", "<name>cat</name>", "", "line 4: an object without a <name>"),
        ("blank name", ">cat<", ">  <", "line 4: an object without a <name>"),
        ("difficult", "<bndbox>", "<difficult>maybe</difficult><bndbox>", "line 4: <difficult>maybe"),
        *((f"width {bad!r}", ">60<", f">{bad}<", "line 3: <width>") for bad in ("wide", "-60", "59.5", "nan", "")),
        ("width of another image", ">60<", ">61<", "annotated as an image of 61 × 40 pixels"),
        ("turned", "<width>60</width><height>40<", "<width>40</width><height>60<", "annotated as an image of 40 × 60"),
        ("another format", "annotation>", "dataset>", "<dataset>, where <annotation> is expected"),
        ("not closed", "</annotation>", "", "no XML"),
        ("crossed", "</bndbox></object>", "</object></bndbox>", "line 4: no XML: mismatched tag"),
        ("an entity", ">cat<", ">&cat;<", "line 4: no XML: undefined entity"),
        ("HTML's entity", ">cat<", ">caf&eacute;<", "line 4: no XML: undefined entity"),
        ("an ampersand", ">cat<", ">cat & dog<", "line 4: no XML"),
        ("a bare <", ">cat<", ">< cat<", "line 4: no XML"),
        ("a control character", ">cat<", ">c\x01t<", "line 4: no XML"),
        ("a null", ">cat<", ">c\0t<", "line 4: no XML"),
        ("&#0;", ">cat<", ">c&#0;t<", "line 4: no XML"),
        ("two roots", "</annotation>", "</annotation><annotation/>", "line 5: no XML: junk after document element"),
        ("an attribute twice", "<size>", '<size a="1" a="2">', "line 3: no XML: duplicate attribute"),
        ("deep", VOC_OBJECT, "<a>" * 50_000 + "</a>" * 50_000, "line 4: nested more than 100 deep"),
        ("large", VOC_OBJECT, " " * (16 * 2**20), "larger than 16 MiB"),
    ]
    for name, old, new, said in swaps:
        where = place if "line" in said else "Annotations/a.xml"
        yield case(name, VOC.replace(old, new), said, where)
    declared = {
        "entity bomb": BOMB + VOC.replace("cat", "&x9;"),
        "external entity": '<!DOCTYPE a [<!ENTITY e SYSTEM "file:///etc/passwd">]>' + VOC.replace("cat", "&e;"),
        "entity from the network": '<!DOCTYPE a [<!ENTITY e SYSTEM "http://127.0.0.1:9/x">]>'
        + VOC.replace("cat", "&e;"),
        "parameter entity": '<!DOCTYPE a [<!ENTITY % p SYSTEM "file:///etc/passwd"> %p;]>' + VOC,
        "external DTD": '<!DOCTYPE annotation SYSTEM "http://127.0.0.1:9/x.dtd">' + VOC,
        "public DTD": '<!DOCTYPE annotation PUBLIC "-//W3C//DTD XHTML 1.0//EN" "x.dtd">' + VOC,
        "internal DTD": "<!DOCTYPE annotation [<!ELEMENT annotation ANY>]>" + VOC,
        "default attributes": '<!DOCTYPE a [<!ATTLIST annotation x CDATA "y">]>' + VOC,
        "long entity": f'<!DOCTYPE a [<!ENTITY e "{"a" * 100_000}">]>' + VOC.replace("cat", "&e;" * 1000),
    }
    for name, text in declared.items():
        yield case(name, text, f"{place} 1: a document type (<!DOCTYPE …>) is not read")
    encoded = {
        "unknown encoding": '<?xml version="1.0" encoding="klingon"?>' + VOC,
        "latin-1 that says UTF-8": VOC.replace("cat", "chât").encode("latin-1"),
        "half of a character": VOC.replace("cat", "ch\u00e2t").encode()[:-40].replace(b"\xc3\xa2", b"\xc3"),
        "utf-16 cut": VOC.encode("utf-16")[:101],
        "utf-32": VOC.encode("utf-32"),
        "empty": b"",
        "zeros": b"\0" * 50,
        "a PNG": b"\x89PNG\r\n\x1a\n",
        "JSON": b"{}",
        "two marks of order": b"\xef\xbb\xbf\xef\xbb\xbf" + VOC.encode(),
    }
    for name, content in encoded.items():
        yield case(name, content, "no XML", place)
    for cut in (5, 30, 100, len(VOC) - 5):
        yield case(f"cut after {cut}", VOC[:cut], "no XML", place)
    yield case(
        "no image",
        VOC,
        "Annotations/c2.xml",
        "no such file",
        **{"Annotations/c2.xml": VOC.replace("a.png", "c2.png").encode()},
    )
    lists = {
        "in two splits": ({"train": b"a\n", "val": b"a\nb\n"}, "ImageSets/Main/val.txt line 1: a is in train already"),
        "a path": ({"train": b"a\n../b\n"}, "ImageSets/Main/train.txt line 2: '../b' is no name of an annotation"),
        "no annotation": ({"train": b"a\nb\nzebra\n"}, "ImageSets: zebra: no file Annotations/zebra.xml"),
        "binary": ({"train": b"a\n\xff\xfe\0\n"}, "ImageSets/Main/train.txt line 2"),
    }
    for name, (files, said) in lists.items():
        yield case(f"list {name}", VOC, said, **{f"ImageSets/Main/{stem}.txt": text for stem, text in files.items()})
    for name, corners, said in (
        ("one pixel", (11, 6, 11, 6), "1 boxes have no width or no height, and are left out"),
        ("one column", (11, 6, 11, 35), "1 boxes begin and end in the same column or row"),
        ("right of the image", (61, 6, 70, 35), "1 boxes lie outside of their image, and are left out"),
        ("far away", (10**14, 6, 10**14 + 5, 35), "1 boxes lie outside of their image, and are left out"),
        ("reaches out", (50, 6, 70, 35), "1 boxes reach out of their image, and are cut at its edge"),
        ("from 0", (0, 0, 30, 35), "1 boxes begin at pixel 0"),
        ("all there is", (-1e9, -1e9, 1e9, 1e9), "1 boxes reach out of their image, and are cut at its edge"),
    ):
        text = VOC
        for old, new in zip((11, 6, 30, 35), corners, strict=True):
            text = text.replace(f">{old}</", f">{new}</", 1)
        yield case(name, text, counted=said)
    yield case(
        "not in a list", VOC, counted="1 annotated images are in no list", **{"ImageSets/Main/train.txt": b"a\n"}
    )
    yield case(
        "difficult",
        VOC.replace("<bndbox>", "<difficult>1</difficult><bndbox>"),
        counted="1 boxes are marked as difficult",
    )


YAML = "train: images\nnames: [cat, dog]\n"
LINES = "0 0.5 0.5 0.25 0.5\n1 0.25 0.5 0.1 0.2\n"


def yolo() -> Iterator[Case]:
    def case(
        name: str, lines: str | bytes, *refused: str, yaml: str | bytes = YAML, counted: str = "", **files: bytes
    ) -> Case:
        texts = {"labels/a.txt": lines, "labels/b.txt": "0 0.5 0.5 0.2 0.2\n", "labels/c.txt": "", "data.yaml": yaml}
        own = {key: text if isinstance(text, bytes) else text.encode() for key, text in texts.items()}
        return Case(name, "yolo", "data.yaml", {**own, **files}, refused, counted)

    place = "labels/a.txt line 2"
    bad_lines = {
        "four values": ("0 0.5 0.5 0.2", "4 values"),
        "six values": ("0 0.5 0.5 0.2 0.2 0.9", "6 values"),
        "one value": ("0", "1 values"),
        "two points": ("0 0.1 0.1 0.2 0.2 0.5 0.5 0.6", "8 values"),
        "commas": ("0,0.5,0.5,0.2,0.2", "1 values"),
        "decimal commas": ("0 0,5 0,5 0,2 0,2", "no finite number"),
        "a class too many": ("2 0.5 0.5 0.2 0.2", "the class 2 is none (the numbers are 0 to 1)"),
        "a negative class": ("-1 0.5 0.5 0.2 0.2", "the class -1 is none"),
        "half a class": ("0.5 0.5 0.5 0.2 0.2", "the class 0.5 is none"),
        "a huge class": ("1" * 300 + " 0.5 0.5 0.2 0.2", "the class 111"),
        "an endless class": ("1" * 400 + " 0.5 0.5 0.2 0.2", "no finite number"),
        "a name for a class": ("cat 0.5 0.5 0.2 0.2", "no finite number"),
        "nan": ("0 nan 0.5 0.2 0.2", "no finite number"),
        "inf": ("0 0.5 inf 0.2 0.2", "no finite number"),
        "-inf": ("0 0.5 0.5 -inf 0.2", "no finite number"),
        "overflow": ("0 0.5 0.5 1e999 0.2", "no finite number"),
        "underscore": ("0 0.5 0.5 0_1 0.2", "no finite number"),
        "hexadecimal": ("0 0x1 0.5 0.2 0.2", "no finite number"),
        "pixels": ("0 30 20 15 20", "is not in shares of the image"),
        "huge": ("0 0.5 0.5 1e300 0.2", "is not in shares of the image"),
        "negative width": ("0 0.5 0.5 -0.2 0.2", "a negative size"),
        "negative height": ("0 0.5 0.5 0.2 -0.2", "a negative size"),
        "null": ("0 0.5\0 0.5 0.2 0.2", "no finite number"),
        "replaced": (b"0 \xff\xfe 0.5 0.2 0.2", "no finite number"),
        "JSON": ("{}", "1 values"),
        "an outline in pixels": ("0 1 1 30 1 30 20", "is not in shares of the image"),
    }
    for name, (line, said) in bad_lines.items():
        own = line if isinstance(line, bytes) else line.encode()
        yield case(name, b"0 0.5 0.5 0.25 0.5\n" + own + b"\n", said, place)
    encodings = {"utf-16": LINES.encode("utf-16"), "zeros": b"\0" * 40, "a PNG": b"\x89PNG\r\n\x1a\n \0\0"}
    for name, content in encodings.items():
        yield case(name, content, "labels/a.txt line 1")
    for name, line, said in (
        ("no width", "0 0.5 0.5 0 0.2", "1 boxes have no width or no height, and are left out"),
        ("no size", "0 0.5 0.5 0 0", "1 boxes have no width or no height, and are left out"),
        ("outside", "0 1.5 0.5 0.2 0.2", "1 boxes lie outside of their image, and are left out"),
        ("reaches out", "0 0.95 0.5 0.2 0.2", "1 boxes reach out of their image, and are cut at its edge"),
        ("an outline", "0 0.1 0.1 0.2 0.1 0.2 0.3", "1 outlines are taken as the boxes around them"),
        ("a flat outline", "0 0.1 0.1 0.2 0.1 0.3 0.1", "1 boxes have no width or no height, and are left out"),
    ):
        yield case(name, LINES + line + "\n", counted=said)
    yield case(
        "stray",
        LINES,
        counted="1 label files belong to no image (labels/z.txt)",
        **{"labels/z.txt": b"0 0.5 0.5 0.2 0.2"},
    )
    documents = {
        "empty": ("", "is no table of names"),
        "a list": ("- cat\n", "is no table of names"),
        "a text": ("cat", "is no table of names"),
        "no names": ("train: images\n", "names: is missing"),
        "names a text": ("train: images\nnames: cat\n", "names: is neither"),
        "names nested": ("train: images\nnames: [[cat]]\n", "names: is neither"),
        "a blank name": ("train: images\nnames: [cat, '']\n", "names: is neither"),
        "a name twice": ("train: images\nnames: [cat, cat]\n", "names: 'cat' is there twice"),
        "a gap": ("train: images\nnames: {0: cat, 2: dog}\n", "names: the numbers 0, 2 are not 0 to 1"),
        "negative": ("train: images\nnames: {-1: cat, 0: dog}\n", "names: the numbers"),
        "a number twice": ("train: images\nnames: {0: cat, 00: dog}\n", "names: the numbers"),
        "too many": ("train: images\nnc: 3\nnames: [cat, dog]\n", "nc: 3 classes, but 2 names"),
        "no images": ("names: [cat, dog]\n", "names no images"),
        "train a table": ("train: {a: b}\nnames: [cat, dog]\n", "train"),
        "train nested": ("train: [[images]]\nnames: [cat, dog]\n", "train: is neither a path nor a list of paths"),
        "train nowhere": ("train: pictures\nnames: [cat, dog]\n", "does not exist"),
        "train outside": ("train: ../../pictures\nnames: [cat, dog]\n", "leads out of the data's folder"),
        "a key nested twice": ("train: images\nnames: {0: cat, 0: dog}\n", "line 2: the key '0' is there twice"),
        "a table for a key": ("train: images\n? {a: b}\n: x\nnames: [cat, dog]\n", "line 2: a key that is no text"),
        "path outside": ("path: ../..\ntrain: images\nnames: [cat, dog]\n", "leads out of the data's folder"),
        "path a list": ("path: [a]\ntrain: images\nnames: [cat, dog]\n", "path: is no path"),
        "bomb": ("a: &a [x, x]\nb: &b [*a, *a]\nnames: *b\n", "line 1: anchors and aliases"),
        "a tag": ("names: !!python/object/apply:os.system [id]\n", "line 1: the tag"),
        "python's name": ("train: images\nnames: !!python/name:os.system\n", "line 2: the tag"),
        "own tag": ("train: images\nnames: !cat [cat]\n", "line 2: the tag !cat"),
        "binary": ("train: images\nnames: !!binary Y2F0\n", "line 2: the tag"),
        "merge": ("x: &x {train: images}\n<<: *x\nnames: [cat, dog]\n", "line 1: anchors and aliases"),
        "deep": ("names: " + "[" * 5000 + "]" * 5000, "nested too deeply"),
        "a tab": ("train:\timages\n\tnames: [cat]\n", "no YAML"),
        "not closed": ("train: images\nnames: [cat, dog\n", "no YAML"),
        "a quote": ("train: images\nnames: ['cat, dog]\n", "no YAML"),
        "two documents": ("train: images\nnames: [cat, dog]\n---\ntrain: other\n", "no YAML"),
        "latin-1": ("train: images\nnames: [caf\u00e9, dog]\n".encode("latin-1"), "no YAML in UTF-8"),
        "control character": ("train: images\nnames: [c\x01t, dog]\n", "no YAML"),
        "zeros": (b"\0" * 20, "no YAML"),
        "utf-16": (YAML.encode("utf-16"), "no YAML in UTF-8"),
        "large": ("#" * (2**20 + 1), "larger than 1 MiB"),
        "a null in a path": ('train: "ima\\0ges"\nnames: [cat, dog]\n', "train: is neither"),
        "a key twice": ("train: images\nnames: [cat, dog]\nnames: [dog, cat]\n", "line 3"),
    }
    for name, (text, said) in documents.items():
        yield case(f"YAML {name}", LINES, said, "data.yaml", yaml=text)
    lists = {
        "outside": (b"images/a.png\n../../x.png\n", "list.txt line 2: '../../x.png' leads out"),
        "missing": (b"images/a.png\nimages/zebra.png\n", "images/zebra.png: no such file"),
        "binary": (b"images/a.png\n\xff\xfe\0.png\n", ".png"),
    }
    for name, (content, said) in lists.items():
        yield case(f"list {name}", LINES, said, yaml=YAML.replace("images", "list.txt"), **{"list.txt": content})


HEADER = "path,label,xmin,ymin,xmax,ymax,crowd,difficult,split\n"
ROWS = "images/a.png,cat,10,5,30,35,0,0,train\nimages/b.png,dog,3,4,13,10,0,0,train\n"


def table() -> Iterator[Case]:
    def case(name: str, content: str | bytes, *refused: str, counted: str = "") -> Case:
        own = content if isinstance(content, bytes) else content.encode()
        return Case(name, "csv-boxes", "boxes.csv", {"boxes.csv": own}, refused, counted)

    rows = {
        "swapped corners": ("images/a.png,cat,30,5,10,35,0,0,train", "a box that ends before it begins"),
        "swapped rows": ("images/a.png,cat,10,35,30,5,0,0,train", "a box that ends before it begins"),
        "nan": ("images/a.png,cat,nan,5,30,35,0,0,train", "no finite number"),
        "inf": ("images/a.png,cat,10,5,inf,35,0,0,train", "no finite number"),
        "overflow": ("images/a.png,cat,10,5,1e999,35,0,0,train", "no finite number"),
        "text": ("images/a.png,cat,ten,5,30,35,0,0,train", "xmin: 'ten' is no number"),
        "hexadecimal": ("images/a.png,cat,0x1,5,30,35,0,0,train", "xmin: '0x1' is no number"),
        "underscore": ("images/a.png,cat,1_0,5,30,35,0,0,train", "xmin: '1_0' is no number"),
        "no edge": ("images/a.png,cat,,5,30,35,0,0,train", "xmin: is empty"),
        "no label": ("images/a.png,,10,5,30,35,0,0,train", "a box without a label"),
        "a label alone": ("images/a.png,cat,,,,,0,0,train", "xmin: is empty"),
        "no path": (",cat,10,5,30,35,0,0,train", "no path"),
        "few cells": ("images/a.png,cat,10,5,30", "5 cells, where the header has 9 columns"),
        "many cells": ("images/a.png,cat,10,5,30,35,0,0,train,x", "10 cells"),
        "decimal comma": ('images/a.png,cat,"1,5",5,30,35,0,0,train', "xmin: '1,5' is no number"),
        "crowd": ("images/a.png,cat,10,5,30,35,2,0,train", "crowd: '2' is neither 0 nor 1"),
        "difficult": ("images/a.png,cat,10,5,30,35,0,yes,train", "difficult: 'yes' is neither 0 nor 1"),
        "unknown split": ("images/a.png,cat,10,5,30,35,0,0,trian", "the split 'trian' is none"),
        "two splits": ("images/a.png,cat,10,5,30,35,0,0,val", "the split of images/a.png is 'val' here"),
        "a bare row of an image with boxes": ("images/a.png,,,,,,,,train", "has no object here, and some in other"),
        "missing image": ("images/zebra.png,cat,10,5,30,35,0,0,train", "no such file"),
        "a quote": ('images/a.png,"cat,10,5,30,35,0,0,train', "cannot be read as a row"),
        "a quote in a cell": ('images/a.png,"c"at,10,5,30,35,0,0,train', "cannot be read as a row"),
        "null": ("images/\0.png,cat,10,5,30,35,0,0,train", "boxes.csv line 4"),
        "a long cell": (f"images/a.png,{'c' * 200_000},10,5,30,35,0,0,train", "cannot be read as a row"),
    }
    for name, (row, said) in rows.items():
        yield case(name, HEADER + ROWS + row + "\n", said, "boxes.csv line 4")
    headers = {
        "no column": (HEADER.replace("xmax", "right") + ROWS, "no column 'xmax' for data.reader.xmax"),
        "no label": (HEADER.replace("label", "lable") + ROWS, "did you mean 'lable'?"),
        "twice": (HEADER.replace("crowd", "xmin") + ROWS, "the column 'xmin' is there twice"),
        "none": (ROWS, "images where the names of the columns should be"),
        "alone": (HEADER, "has a header and no rows"),
        "empty": ("", "is empty"),
        "blank": ("\n \n", "is empty"),
        "latin-1": ((HEADER + ROWS.replace("cat", "ch\u00e2t")).encode("latin-1"), "boxes.csv line 2: not UTF-8"),
        "utf-16": ((HEADER + ROWS).encode("utf-16"), "not UTF-8"),
        "zeros": (b"\0" * 30, "boxes.csv"),
        "blanks for commas": ((HEADER + ROWS).replace(",", " "), "no column 'path'"),
    }
    for name, (content, said) in headers.items():
        yield case(f"header {name}", content, said, "boxes.csv")
    for name, row, said in (
        ("no width", "images/a.png,cat,10,5,10,35,0,0,train", "1 boxes have no width or no height, and are left out"),
        ("outside", "images/a.png,cat,70,5,80,35,0,0,train", "1 boxes lie outside of their image, and are left out"),
        ("far outside", "images/a.png,cat,1e300,5,2e300,35,0,0,train", "1 boxes lie outside of their image"),
        ("reaches out", "images/a.png,cat,10,5,80,35,0,0,train", "1 boxes reach out of their image, and are cut"),
        ("everything", "images/a.png,cat,-1e300,-1e300,1e300,1e300,0,0,train", "1 boxes reach out of their image"),
        ("crowd", "images/a.png,cat,10,5,30,35,1,0,train", "1 boxes are crowds"),
    ):
        yield case(name, HEADER + ROWS + row + "\n", counted=said)


CASES = [*coco(), *voc(), *yolo(), *table()]


def test_the_cases__are_more_than_two_hundred_different_files() -> None:
    digests = {
        hashlib.sha256(b"\0".join(part for name, text in case.files.items() for part in (name.encode(), text))).digest()
        for case in CASES
    }
    assert len(digests) == len(CASES) >= 200


@pytest.mark.parametrize("case", CASES, ids=str)
def test_damaged_annotations__are_refused_or_counted(tmp_path: Path, case: Case) -> None:
    write_images(tmp_path / {"voc": "JPEGImages"}.get(case.reader, "images"))
    (tmp_path / "images").mkdir(exist_ok=True)
    assert_seen(
        case,
        tmp_path,
        takes="boxes",
        task=lambda classes: DetectionTask(classes=classes, options=TaskOptions()),
        plugins=PLUGINS,
    )
