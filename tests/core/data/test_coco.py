"""COCO's JSON, whatever its annotations are of."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from graft.data.coco import coco_files, leads_out, merged_names, passed_over, read_coco, wrong_size
from graft.errors import DataError


def document(**more: Any) -> dict[str, Any]:
    return {
        "images": [{"id": 1, "file_name": "a.png", "height": 4, "width": 6}, {"id": "two", "file_name": "b/c.png"}],
        "categories": [{"id": 7, "name": "wall"}, {"id": 3, "name": "cell"}],
        "annotations": [{"id": 1, "image_id": 1, "category_id": 7, "mark": "x"}],
        **more,
    }


def write(file: Path, content: Any = None) -> Path:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps(document() if content is None else content))
    return file


def test_read__categories_images_and_annotations(tmp_path: Path) -> None:
    (tmp_path / "images").mkdir()
    (tmp_path / "images" / "a.png").touch()
    found = read_coco(write(tmp_path / "annotations" / "train.json"), tmp_path, folder=None)
    assert found.names == {7: "wall", 3: "cell"}
    assert [(key, image.id, image.size) for key, image in found.images.items()] == [
        (1, "images/a.png", (4, 6)),
        ("two", "images/b/c.png", None),
    ]
    assert found.images[1].where == "annotations/train.json images[0]"
    ((place, row),) = found.annotations("mark")
    assert (place, row["mark"], found.category(place, row)) == ("annotations[0]", "x", "wall")
    assert found.problems == []


def test_read__what_annotations_lack_is_noted(tmp_path: Path) -> None:
    rows = [{"id": 1, "category_id": 9}, {"id": 1, "category_id": 3}, 5, {"id": 2}]
    found = read_coco(write(tmp_path / "all.json", document(annotations=rows)), tmp_path, folder=None)
    assert [found.category(place, row) for place, row in found.annotations("category_id")] == [None]
    said = "\n".join(map(str, found.problems))
    assert "all.json annotations[0].category_id: 9 is no category (there are 3, 7)" in said
    assert "all.json annotations[1].id: the id 1 is that of annotations[0], too" in said
    assert "all.json annotations[2]: is a number, where an object is expected" in said
    assert "all.json annotations[3]: has no category_id" in said


def test_read__the_folder_of_the_images(tmp_path: Path) -> None:
    (tmp_path / "pics").mkdir()
    file = write(tmp_path / "all.json")
    assert read_coco(file, tmp_path, folder="pics").images[1].path == tmp_path / "pics" / "a.png"
    with pytest.raises(DataError, match=r"data\.reader\.root: .*nowhere is no folder"):
        read_coco(file, tmp_path, folder="nowhere")


@pytest.mark.parametrize(
    ("files", "splits"),
    [
        (["all.json"], [None]),
        (["train.json", "val.json"], ["train", "val"]),
        (["annotations/instances_train2017.json", "annotations/captions_train2017.json"], ["train"]),
        (["train/_annotations.coco.json", "valid/_annotations.coco.json"], ["train", "val"]),
        (["a.json", "b.json"], []),
        (["train.json", "training.json"], []),
        (["._train.json", "train.json"], ["train"]),
    ],
    ids=["one", "splits", "COCO's own", "Roboflow's", "two of no split", "two of one split", "a hidden one"],
)
def test_files__one_or_one_for_each_split(tmp_path: Path, files: list[str], splits: list[str | None]) -> None:
    for file in files:
        write(tmp_path / file)
    assert [split for _, split in coco_files(tmp_path)] == splits
    (tmp_path / "test.json").write_text("{}")
    if splits and None not in splits:
        assert list(passed_over(coco_files(tmp_path))) == (
            ["test.json is passed over: it is not in COCO's format"] if "/" not in files[0] else []
        )


def test_merged__contradictions_name_both_files(tmp_path: Path) -> None:
    other = document(categories=[{"id": 3, "name": "wall"}, {"id": 9, "name": "yard"}])
    files = [write(tmp_path / "a" / "x.json"), write(tmp_path / "b" / "x.json", other)]
    names, problems = merged_names([read_coco(file, tmp_path, folder=None) for file in files])
    assert names == {3: "cell", 7: "wall", 9: "yard"}
    assert list(map(str, problems)) == ["b/x.json categories: the id 3 is 'wall' here, 'cell' in a/x.json"]


def test_wrong_size__says_what_turning_would_do() -> None:
    assert wrong_size(Path("a.png"), (4, 6), (4, 6), where="x") is None
    assert "annotated as an image of 6 × 4 pixels" in str(wrong_size(Path("a.png"), (4, 6), (5, 6), where="x"))
    assert "turned upright" in str(wrong_size(Path("a.png"), (4, 6), (6, 4), where="x"))


@pytest.mark.parametrize(
    ("name", "out"),
    [
        ("a.png", False),
        ("b/../a.png", False),
        ("../a.png", True),
        ("b/../../a.png", True),
        ("/a", True),
        ("C:\\a", True),
    ],
)
def test_leads_out(name: str, out: bool) -> None:
    assert leads_out(name) == out
