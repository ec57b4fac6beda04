from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from boxes import coco_document, write_coco, write_images
from graft.data.samples import Catalogue
from graft.errors import DataError
from graft_detection.formats.coco import CocoReader
from graft_detection.options import CocoOptions


def read(path: Path, **options: Any) -> Catalogue:
    return CocoReader().read(path, CocoOptions(**options))


def mistakes(path: Path) -> str:
    with pytest.raises(DataError) as caught:
        read(path)
    return str(caught.value)


def test_read__classes_by_category_id_over_gaps(tmp_path: Path) -> None:
    catalogue = read(write_coco(tmp_path))
    assert catalogue.classes == ("bicycle", "zebra")
    assert [sample.id for sample in catalogue.samples] == ["images/a.png", "images/b.png", "images/c.png"]
    a, b, c = (sample.target for sample in catalogue.samples)
    np.testing.assert_array_equal(a.boxes, [[10, 5, 30, 35], [0, 0, 60, 40]])
    assert a.labels == ("zebra", "bicycle")
    assert a.areas.tolist() == [450.5, 2400]
    assert a.crowd.tolist() == [False, True]
    np.testing.assert_array_equal(b.boxes, [[3.25, 4.5, 13.75, 10.75], [1, 1, 6, 6]])
    assert b.difficult.tolist() == [False, True]
    assert (len(c), c.size, c.boxes.shape) == (0, (50, 20), (0, 4))


def test_read__odd_boxes_are_counted_and_named(tmp_path: Path) -> None:
    document = coco_document()
    image = {"image_id": 3, "category_id": 2}
    document["annotations"] = [
        {"id": 1, **image, "bbox": [25, 25, 10, 10], "area": 100},
        {"id": 2, **image, "bbox": [40, 40, 10, 10]},
        {"id": 3, **image, "bbox": [5, 5, 0, 10]},
        {"id": 4, **image, "image_id": 99, "bbox": [5, 5, 1, 1]},
    ]
    catalogue = read(write_coco(tmp_path, document))
    (b,) = (sample.target for sample in catalogue.samples if sample.id.endswith("b.png"))
    np.testing.assert_array_equal(b.boxes, [[25, 25, 30, 30]])
    assert b.areas.tolist() == [25]
    notes = "\n".join(catalogue.notes)
    assert "1 boxes reach out of their image, and are cut at its edge (annotations.json annotations[0])" in notes
    assert "1 boxes lie outside of their image, and are left out (annotations.json annotations[1])" in notes
    assert "1 boxes have no width or no height, and are left out (annotations.json annotations[2])" in notes
    assert "1 annotations belong to no image, and are left out (annotations.json annotations[3]: image_id 99)" in notes


def change(*keys: Any) -> Callable[[dict[str, Any]], None]:
    *path, last, value = keys

    def changed(document: dict[str, Any]) -> None:
        at: Any = document
        for key in path:
            at = at[key]
        if value is KeyError:
            del at[last]
        else:
            at[last] = value

    return changed


MISTAKES = [
    (change("annotations", 2, "category_id", 3), "annotations[2].category_id: 3 is no category (there are 2, 90)"),
    (change("annotations", 2, "category_id", True), "annotations[2].category_id: True is no category"),
    (change("annotations", 2, "bbox", [1, 2, 3]), "annotations[2].bbox: [1, 2, 3] is not four numbers"),
    (change("annotations", 2, "bbox", [1, 2, "3", 4]), "annotations[2].bbox: [1, 2, '3', 4] is not four numbers"),
    (change("annotations", 2, "bbox", [1, 2, 10**400, 4]), "annotations[2].bbox"),
    (change("annotations", 2, "bbox", [1, 2, -3, 4]), "annotations[2].bbox: [1, 2, -3, 4] has a negative size"),
    (change("annotations", 2, "bbox", KeyError), "annotations[2]: has no bbox"),
    (change("annotations", 2, "iscrowd", 2), "annotations[2].iscrowd: 2 is neither 0 nor 1"),
    (change("annotations", 2, "area", "big"), "annotations[2].area: 'big' is no area"),
    (change("annotations", 2, "id", 1), "annotations[2].id: the id 1 is that of annotations[0], too"),
    (change("annotations", 2, 17), "annotations[2]: is a number, where an object is expected"),
    (change("images", 1, "id", 7), "images[1].id: the id 7 is that of images[0], too"),
    (change("images", 1, "file_name", "a.png"), "images[1].file_name: 'a.png' is that of images[0], too"),
    (change("images", 1, "file_name", "../../b.png"), "images[1].file_name: '../../b.png' leads out"),
    (change("images", 1, "file_name", "/etc/passwd"), "images[1].file_name: '/etc/passwd' leads out"),
    (change("images", 1, "file_name", "C:\\b.png"), "images[1].file_name: 'C:\\\\b.png' leads out"),
    (
        change("images", 1, "width", 31),
        "images[1]: annotated as an image of 31 × 30 pixels (the file b.png is 30 × 30)",
    ),
    (change("images", 1, "width", -1), "images[1].width: -1 is no number of pixels"),
    (change("categories", 1, "id", 90), "categories[1].id: the id 90 is there twice: 'zebra' and 'bicycle'"),
    (change("categories", 1, "name", "zebra"), "categories[1].name: the name 'zebra' is there twice"),
    (change("categories", 1, "name", ""), "categories[1].name: '' is no name"),
    (change("categories", 1, "name", "a\ud800"), "categories[1].name: 'a\\ud800' is no name"),
    (change("images", 1, "file_name", "\ud800.png"), "images[1].file_name: '\\ud800.png' is no name"),
    (change("annotations", KeyError), "annotations.json annotations: is missing"),
    (change("images", {}), "annotations.json images: is a object"),
]


@pytest.mark.parametrize(("spoil", "text"), MISTAKES, ids=[text[:40] for _, text in MISTAKES])
def test_read__mistakes_name_file_and_field(tmp_path: Path, spoil: Callable[[Any], None], text: str) -> None:
    document = coco_document()
    spoil(document)
    assert text in mistakes(write_coco(tmp_path, document))


def test_read__all_mistakes_at_once(tmp_path: Path) -> None:
    document = coco_document()
    document["annotations"][0]["bbox"] = None
    document["annotations"][3]["category_id"] = 1
    document["images"][2]["height"] = 1.5
    text = mistakes(write_coco(tmp_path, document))
    assert "annotations[0].bbox" in text
    assert "annotations[3].category_id" in text
    assert "images[2].height" in text


@pytest.mark.parametrize(
    "text",
    ['{"images": [', '{"images": NaN}', "[" * 100_000, '{"images": "\ud800'.encode("utf-8", "surrogatepass"), "[]"],
    ids=["cut", "nan", "deep", "bytes", "list"],
)
def test_read__no_json_is_one_sentence(tmp_path: Path, text: str | bytes) -> None:
    file = tmp_path / "annotations.json"
    file.write_bytes(text if isinstance(text, bytes) else text.encode())
    began = time.monotonic()
    assert "annotations.json" in mistakes(file)
    assert time.monotonic() - began < 2


def test_read__missing_images_are_left_to_the_check_of_images(tmp_path: Path) -> None:
    file = write_coco(tmp_path)
    (tmp_path / "images" / "b.png").unlink()
    (b,) = (sample for sample in read(file).samples if sample.path.name == "b.png")
    assert b.path == tmp_path / "images" / "b.png"
    assert b.target.size == (30, 30)


@pytest.mark.parametrize(
    ("layout", "images"),
    [
        ("{split}.json", "images"),
        ("annotations/instances_{split}2017.json", "{split}2017"),
        ("annotations/instances_{split}2017.json", "images/{split}2017"),
        ("{split}/_annotations.coco.json", "{split}"),
    ],
)
def test_read__a_file_for_each_split(tmp_path: Path, layout: str, images: str) -> None:
    for split in ("train", "val"):
        write_images(tmp_path / images.format(split=split))
        file = tmp_path / layout.format(split=split)
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(json.dumps(coco_document()))
    assert CocoReader().detect(tmp_path)
    catalogue = read(tmp_path)
    assert [sample.split for sample in catalogue.samples].count("train") == 3
    assert len(catalogue.samples) == 6
    assert all(sample.path.is_file() for sample in catalogue.samples)


def test_read__files_of_one_name_are_all_looked_at(tmp_path: Path) -> None:
    document = coco_document()
    for split in ("train", "valid"):
        write_images(tmp_path / split)
        (tmp_path / split / "_annotations.coco.json").write_text(json.dumps(document))
        document["categories"].append({"id": 91, "name": "yak"})
    assert read(tmp_path).classes == ("bicycle", "zebra", "yak")
    document["categories"][0]["id"], document["categories"][1]["id"] = 2, 90
    (tmp_path / "valid" / "_annotations.coco.json").write_text(json.dumps(document))
    said = mistakes(tmp_path)
    assert "valid/_annotations.coco.json categories: the id 2 is 'zebra' here, 'bicycle' in train/_annotations" in said


def test_read__two_files_that_contradict_each_other(tmp_path: Path) -> None:
    write_images(tmp_path / "images")
    document = coco_document()
    (tmp_path / "train.json").write_text(json.dumps(document))
    document["categories"][0]["name"] = "horse"
    (tmp_path / "val.json").write_text(json.dumps(document))
    assert "the id 90 is 'horse' here, 'zebra' in train.json" in mistakes(tmp_path)


def test_detect__categories_first_and_long_outlines(tmp_path: Path) -> None:
    document = coco_document()
    outlines = [{"id": index, "segmentation": [[0.5] * 3000]} for index in range(2)]
    names = [{"id": index, "name": f"class {index}"} for index in range(200)]
    many = {"categories": names, "images": document["images"], "annotations": outlines}
    (tmp_path / "all.json").write_text(json.dumps(many))
    assert CocoReader().detect(tmp_path / "all.json")
    assert CocoReader().detect(tmp_path)


def test_detect__nothing_else(tmp_path: Path) -> None:
    (tmp_path / "recipe.json").write_text('{"a": 1}')
    (tmp_path / "b.csv").write_text('{"images": 1}')
    assert CocoReader().detect(tmp_path) is None
    assert CocoReader().detect(tmp_path / "recipe.json") is None
    assert CocoReader().detect(tmp_path / "b.csv") is None
