from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from boxes import write_images
from graft.data.samples import Catalogue
from graft.errors import DataError
from graft_detection.formats.voc import VocReader
from graft_detection.options import VocOptions

OBJECT = "<object><name>{name}</name>{more}<bndbox>{box}</bndbox></object>"
BOX = "<xmin>1</xmin><ymin>5</ymin><xmax>60</xmax><ymax>40</ymax>"


def annotation(*objects: str, file: str = "a.png", size: tuple[int, int] | None = (60, 40)) -> str:
    said = "" if size is None else f"<size><width>{size[0]}</width><height>{size[1]}</height></size>"
    return f"<annotation>\n<filename>{file}</filename>\n{said}\n" + "\n".join(objects) + "\n</annotation>"


def write(root: Path, **texts: str) -> Path:
    write_images(root / "JPEGImages")
    (root / "Annotations").mkdir(exist_ok=True)
    for stem, text in texts.items():
        (root / "Annotations" / f"{stem}.xml").write_text(text, encoding="utf-8")
    return root


def read(path: Path, **options: Any) -> Catalogue:
    return VocReader().read(path, VocOptions(**options))


def mistakes(path: Path) -> str:
    with pytest.raises(DataError) as caught:
        read(path)
    return str(caught.value)


def test_read__the_first_pixel_is_one(tmp_path: Path) -> None:
    text = annotation(OBJECT.format(name="cat", more="<difficult>1</difficult>", box=BOX))
    catalogue = read(write(tmp_path, a=text, b=annotation(file="b.png", size=(30, 30))))
    a, b = catalogue.samples
    np.testing.assert_array_equal(a.target.boxes, [[0, 4, 60, 40]])
    assert (a.id, a.where, a.target.difficult.tolist()) == ("JPEGImages/a.png", "Annotations/a.xml", [True])
    assert len(b.target) == 0
    assert catalogue.classes == ("cat",)


def test_read__counting_from_zero(tmp_path: Path) -> None:
    box = "<xmin>0</xmin><ymin>4</ymin><xmax>59</xmax><ymax>39</ymax>"
    root = write(tmp_path, a=annotation(OBJECT.format(name="cat", more="", box=box)))
    np.testing.assert_array_equal(read(root, one_based=False).samples[0].target.boxes, [[0, 4, 60, 40]])
    assert "data.reader.one_based=false" in "\n".join(read(root).notes)


def test_read__splits_of_image_sets(tmp_path: Path) -> None:
    root = write(tmp_path, a=annotation(), b=annotation(file="b.png", size=None), c=annotation(file="c.png", size=None))
    (root / "ImageSets" / "Main").mkdir(parents=True)
    (root / "ImageSets" / "Main" / "train.txt").write_text("a\n")
    (root / "ImageSets" / "Main" / "val.txt").write_text("b\n")
    (root / "ImageSets" / "Main" / "trainval.txt").write_text("a\nb\n")
    catalogue = read(root)
    assert [sample.split for sample in catalogue.samples] == ["train", "val"]
    assert "1 annotated images are in no list of ImageSets, and are left out" in catalogue.notes
    (root / "ImageSets" / "Main" / "val.txt").write_text("a\n../b\nx\n")
    text = mistakes(root)
    assert "ImageSets/Main/val.txt line 1: a is in train already" in text
    assert "ImageSets/Main/val.txt line 2: '../b' is no name" in text
    assert "ImageSets: x: no file Annotations/x.xml" in text


@pytest.mark.parametrize(
    ("body", "text"),
    [
        (OBJECT.format(name="", more="", box=BOX), "line 4: an object without a <name>"),
        ("<object><name>cat</name></object>", "line 4: an object without a <bndbox> (only rectangles are read)"),
        (OBJECT.format(name="cat", more="", box=BOX.replace("60", "wide")), "line 4: <xmax>wide</xmax> is no number"),
        (OBJECT.format(name="cat", more="", box=BOX.replace("60", "nan")), "line 4: <xmax>nan</xmax> is no number"),
        (OBJECT.format(name="cat", more="", box="<xmin>1</xmin>"), "line 4: no <ymin>"),
        (OBJECT.format(name="cat", more="", box=BOX.replace("<xmin>1", "<xmin>61")), "line 4: a box that ends before"),
        (OBJECT.format(name="cat", more="<difficult>x</difficult>", box=BOX), "line 4: <difficult>x</difficult>"),
        ("<object>", "no XML: mismatched tag"),
    ],
)
def test_read__mistakes_name_file_and_line(tmp_path: Path, body: str, text: str) -> None:
    assert f"Annotations/a.xml {text}" in mistakes(write(tmp_path, a=annotation(body))).replace(
        " line 5: no XML", " no XML"
    )


def test_read__another_size_than_the_file(tmp_path: Path) -> None:
    text = mistakes(write(tmp_path, a=annotation(size=(40, 60))))
    assert (
        "Annotations/a.xml: annotated as an image of 40 × 60 pixels (the file a.png is 60 × 40 once it is turned"
        in text
    )
    # 0 is what programs write that did not know.
    assert read(write(tmp_path, a=annotation(size=(0, 0)))).samples[0].target.size == (40, 60)


@pytest.mark.parametrize(
    "head",
    [
        '<!DOCTYPE a [<!ENTITY e SYSTEM "file:///etc/passwd">]>',
        '<!DOCTYPE a [<!ENTITY e SYSTEM "http://127.0.0.1:9/">]>',
        '<!DOCTYPE a SYSTEM "http://127.0.0.1:9/a.dtd">',
        '<!DOCTYPE a [<!ENTITY a "aaaaaaaaaa">'
        + "".join(f'<!ENTITY {chr(98 + i)} "{f"&{chr(97 + i)};" * 10}">' for i in range(12))
        + '<!ENTITY e "&m;">]>',
    ],
    ids=["file", "net", "dtd", "bomb"],
)
def test_read__no_document_type_is_read(tmp_path: Path, head: str) -> None:
    text = head + annotation(OBJECT.format(name="&e;", more="", box=BOX))
    began = time.monotonic()
    said = mistakes(write(tmp_path, a=text))
    assert time.monotonic() - began < 1
    assert "a document type (<!DOCTYPE …>) is not read" in said
    assert "root:" not in said


def test_read__deep_nesting(tmp_path: Path) -> None:
    assert "nested more than 100 deep" in mistakes(write(tmp_path, a="<annotation>" + "<a>" * 100_000))


def test_read__files_beside_their_images(tmp_path: Path) -> None:
    write_images(tmp_path)
    (tmp_path / "a.xml").write_text(annotation(OBJECT.format(name="cat", more="", box=BOX), file="../../x/a.png"))
    assert VocReader().detect(tmp_path)
    assert read(tmp_path).samples[0].path == tmp_path / "a.png"


def test_read__bccd() -> None:
    root = Path(os.environ.get("GRAFT_TEST_DATA", "")) / "data" / "medical" / "bccd"
    if not root.is_dir():
        pytest.skip("no real data")
    catalogue = read(root)
    assert catalogue.classes == ("Platelets", "RBC", "WBC")
    splits = [sample.split for sample in catalogue.samples]
    assert [splits.count(split) for split in ("train", "val", "test")] == [205, 87, 72]
    assert sum(len(sample.target) for sample in catalogue.samples) == 4886
    assert any(note.startswith("2 boxes have no width or no height") for note in catalogue.notes)


def test_detect__hidden_files_are_not_looked_at(tmp_path: Path) -> None:
    (tmp_path / "Annotations").mkdir()
    for number in range(30):
        (tmp_path / "Annotations" / f"._{number}.xml").write_bytes(b"\0\5AppleDouble")
    assert VocReader().detect(tmp_path) is None
    (tmp_path / "Annotations" / "a.xml").write_text("<annotation/>")
    assert VocReader().detect(tmp_path)
