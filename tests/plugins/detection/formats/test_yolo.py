from __future__ import annotations

import os
import time
from pathlib import Path

import numpy as np
import pytest

from boxes import write_images
from graft.data.samples import Catalogue
from graft.errors import DataError
from graft_detection.formats.yolo import YoloReader
from graft_detection.options import YoloOptions

NAMES = "names: [cat, dog]\n"


def write(root: Path, yaml: str | None = NAMES, **labels: str) -> Path:
    write_images(root / "images" / "train")
    (root / "labels" / "train").mkdir(parents=True, exist_ok=True)
    for stem, text in labels.items():
        (root / "labels" / "train" / f"{stem}.txt").write_text(text)
    if yaml is not None:
        (root / "data.yaml").write_text(yaml)
    return root


def read(path: Path) -> Catalogue:
    return YoloReader().read(path, YoloOptions())


def mistakes(path: Path) -> str:
    with pytest.raises(DataError) as caught:
        read(path)
    return str(caught.value)


def test_read__shares_of_the_image(tmp_path: Path) -> None:
    catalogue = read(write(tmp_path, a="1 0.5 0.5 0.5 0.25\n\n0 0.25 0.25 0.1 0.1\n", b=""))
    a, b, c = (sample.target for sample in catalogue.samples)
    np.testing.assert_allclose(a.boxes, [[15, 15, 45, 25], [12, 8, 18, 12]], atol=1e-5)
    assert a.labels == ("dog", "cat")
    assert len(b) == len(c) == 0
    assert catalogue.classes == ("cat", "dog")
    assert {sample.split for sample in catalogue.samples} == {"train"}
    assert any(note.startswith("1 images have no label file") and "c.png" in note for note in catalogue.notes)


def test_read__outlines_become_boxes(tmp_path: Path) -> None:
    catalogue = read(write(tmp_path, a="0 0.1 0.1 0.5 0.2 0.3 0.9"))
    np.testing.assert_allclose(catalogue.samples[0].target.boxes, [[6, 4, 30, 36]], atol=1e-5)
    assert any("outlines are taken" in note for note in catalogue.notes)


def test_read__odd_boxes_and_stray_labels_are_counted(tmp_path: Path) -> None:
    catalogue = read(write(tmp_path, a="0 0.9 0.5 0.4 0.2\n0 1.5 0.5 0.2 0.2\n0 0.5 0.5 0 0.2", z="0 0.5 0.5 0.1 0.1"))
    np.testing.assert_allclose(catalogue.samples[0].target.boxes, [[42, 16, 60, 24]], atol=1e-4)
    notes = "\n".join(catalogue.notes)
    assert "1 boxes reach out of their image, and are cut at its edge (labels/train/a.txt line 1)" in notes
    assert "1 boxes lie outside of their image, and are left out (labels/train/a.txt line 2)" in notes
    assert "1 boxes have no width or no height, and are left out (labels/train/a.txt line 3)" in notes
    assert "1 label files belong to no image (labels/train/z.txt)" in notes


@pytest.mark.parametrize(
    ("line", "text"),
    [
        ("0 0.5 0.5 0.1", "4 values, where class, x, y, width, height are expected"),
        ("0 0.5 0.5 0.1 0.1 0.9", "6 values"),
        ("2 0.5 0.5 0.1 0.1", "the class 2 is none (the numbers are 0 to 1)"),
        ("-1 0.5 0.5 0.1 0.1", "the class -1 is none"),
        ("0.5 0.5 0.5 0.1 0.1", "the class 0.5 is none"),
        ("cat 0.5 0.5 0.1 0.1", "a value is no finite number"),
        ("0 nan 0.5 0.1 0.1", "a value is no finite number"),
        ("0 inf 0.5 0.1 0.1", "a value is no finite number"),
        ("0 0.5 0.5 -0.1 0.1", "a negative size"),
        ("0 120 80 30 40", "is not in shares of the image (divide by its width and height)"),
    ],
)
def test_read__mistakes_name_file_and_line(tmp_path: Path, line: str, text: str) -> None:
    said = mistakes(write(tmp_path, a=f"0 0.5 0.5 0.1 0.1\n{line}"))
    assert "labels/train/a.txt line 2: " in said
    assert text in said


@pytest.mark.parametrize(
    ("yaml", "text"),
    [
        ("names: [cat", "no YAML"),
        ("names: [cat, cat]", "data.yaml: names: 'cat' is there twice"),
        ("names: {0: cat, 2: dog}", "data.yaml: names: the numbers 0, 2 are not 0 to 1"),
        ("names: cat", "data.yaml: names: is neither a list"),
        ("nc: 2", "data.yaml: names: is missing"),
        ("nc: 3\nnames: [a, b]", "data.yaml: nc: 3 classes, but 2 names"),
        ("- cat", "is no table of names"),
        ('a: !!python/object/apply:os.system ["touch EXECUTED"]', "the tag"),
        ("a: &a [x]\nb: [*a, *a]", "anchors and aliases"),
        ("a: " + "[" * 5000, "data.yaml"),
    ],
)
def test_read__yaml(tmp_path: Path, yaml: str, text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    began = time.monotonic()
    assert text in mistakes(write(tmp_path, yaml))
    assert time.monotonic() - began < 2
    assert not (tmp_path / "EXECUTED").exists()


def test_read__yaml_of_texts_alone(tmp_path: Path) -> None:
    yaml = "path: .\ntrain: images/train\nnames:\n  0: no\n  1: 010\n"
    assert read(write(tmp_path, yaml, a="1 0.5 0.5 0.1 0.1") / "data.yaml").classes == ("no", "010")


@pytest.mark.parametrize("line", ["path: ../..\ntrain: data/images", "train: ../../pics", "train: images/../../pics"])
def test_read__yaml_that_leads_out(tmp_path: Path, line: str) -> None:
    write(tmp_path / "in" / "deep", f"{line}\n{NAMES}")
    write_images(tmp_path / "pics")
    write_images(tmp_path / "in" / "pics")
    assert "leads out of the data's folder" in mistakes(tmp_path / "in" / "deep" / "data.yaml")


def test_read__yaml_absolute(tmp_path: Path) -> None:
    write(tmp_path / "far")
    file = tmp_path / "near.yaml"
    file.write_text(f"path: {tmp_path / 'far'}\ntrain: images/train\nval:\n{NAMES}")
    assert len(read(file).samples) == 3


def test_read__yaml_of_roboflow(tmp_path: Path) -> None:
    write_images(tmp_path / "train" / "images")
    (tmp_path / "data.yaml").write_text(f"train: ../train/images\n{NAMES}")
    catalogue = read(tmp_path / "data.yaml")
    assert [sample.id for sample in catalogue.samples] == [
        "train/images/a.png",
        "train/images/b.png",
        "train/images/c.png",
    ]
    assert (
        "data.yaml: train: ../train/images is taken as train/images, which is in the data's folder" in catalogue.notes
    )


def test_read__a_list_of_images(tmp_path: Path) -> None:
    write(tmp_path, f"train: list.txt\n{NAMES}")
    (tmp_path / "list.txt").write_text("./images/train/a.png\n")
    assert [sample.id for sample in read(tmp_path / "data.yaml").samples] == ["images/train/a.png"]
    (tmp_path / "list.txt").write_text("../../a.png\n")
    assert "list.txt line 1: '../../a.png' leads out" in mistakes(tmp_path / "data.yaml")


@pytest.mark.parametrize(
    ("folder", "images", "boxes"),
    [("driving/highway", 150, 325), ("satellite/aerial_cars", 39, 1015), ("general/coco8", 8, 30)],
)
def test_read__real_data(folder: str, images: int, boxes: int) -> None:
    root = Path(os.environ.get("GRAFT_TEST_DATA", "")) / "data" / folder
    if not root.is_dir():
        pytest.skip("no real data")
    assert YoloReader().detect(root)
    catalogue = read(root)
    assert len(catalogue.samples) == images
    assert sum(len(sample.target) for sample in catalogue.samples) == boxes


@pytest.mark.parametrize("val", ["val: images/train", "val: [images/train, images/other]"])
def test_read__an_image_of_two_splits_is_refused(tmp_path: Path, val: str) -> None:
    write(tmp_path, f"{NAMES}train: images/train\n{val}\n", a="")
    write_images(tmp_path / "images" / "other")
    assert "val: 3 of its images are in train, too: a.png" in mistakes(tmp_path / "data.yaml")


@pytest.mark.parametrize("points", ["0.45 0.45 0.5 0.5 0.55 0.55", "0.45 0.45 2 0.5 0.5 2 0.55 0.55 2"])
def test_read__key_points_are_no_outlines(tmp_path: Path, points: str) -> None:
    yaml = f"{NAMES}train: images/train\nkpt_shape: [3, {len(points.split()) // 3}]\n"
    catalogue = read(write(tmp_path, yaml, a=f"0 0.5 0.5 0.2 0.2 {points}") / "data.yaml")
    np.testing.assert_allclose(catalogue.samples[0].target.boxes, [[24, 16, 36, 24]], atol=1e-5)
    assert "the key points of objects are not looked at" in catalogue.notes


def test_read__hidden_files_are_nobodys(tmp_path: Path) -> None:
    root = write(tmp_path, a="1 0.5 0.5 0.5 0.25")
    (root / "._data.yaml").write_bytes(b"\0\5AppleDouble")
    assert read(root).classes == ("cat", "dog")


def test_read__labels_beside_images_in_a_folder_of_that_name(tmp_path: Path) -> None:
    root = tmp_path / "images" / "set"
    write_images(root / "pics")
    (root / "pics" / "a.txt").write_text("0 0.5 0.5 0.5 0.25")
    (root / "classes.txt").write_text("cat\n")
    assert [len(sample.target) for sample in read(root).samples] == [1, 0, 0]


def test_read__a_list_in_an_absolute_folder(tmp_path: Path) -> None:
    data = write(tmp_path / "data", None, a="1 0.5 0.5 0.5 0.25")
    (data / "some.txt").write_text("images/train/a.png\n")
    yaml = tmp_path / "elsewhere" / "set.yaml"
    yaml.parent.mkdir()
    yaml.write_text(f"{NAMES}path: {data}\ntrain: some.txt\n")
    (sample,) = read(yaml).samples
    assert (sample.path, len(sample.target)) == (data / "images/train/a.png", 1)
