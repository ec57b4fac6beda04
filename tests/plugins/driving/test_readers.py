"""The layouts of driving data sets, each written here as its authors do."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from graft.errors import DataError
from graft_driving.classes import CAMVID, CITYSCAPES, safety_first
from graft_driving.options import BoxOptions, CamVidOptions, CityscapesOptions, KittiBoxOptions, SceneOptions
from graft_driving.readers.bdd100k import BddBoxReader, BddMaskReader
from graft_driving.readers.camvid import CamVidReader
from graft_driving.readers.cityscapes import CityscapesReader
from graft_driving.readers.kitti import KittiBoxReader, KittiMaskReader
from streets import bdd, cityscapes, colours, image, kitti, label, line, mapping, numbers


def read(source: object, classes: tuple[str, ...]) -> list[int]:
    """The values of a mask's first row."""
    return source.read({name: n for n, name in enumerate(classes)}, multi=False)[0].tolist()


# --- Cityscapes


def test_cityscapes_numbers_become_the_19_classes_and_the_rest_counts_nowhere(tmp_path: Path) -> None:
    root = cityscapes(tmp_path, ("train", "bonn_000001_000019"), ("val", "ulm_000000_000019"))
    catalogue = CityscapesReader().read(root, CityscapesOptions())
    assert len(catalogue.classes) == 19
    assert catalogue.classes[:2] == ("road", "sidewalk")
    assert [(s.split, s.group) for s in catalogue.samples] == [("train", "bonn"), ("val", "ulm")]
    road, car, void, person = read(catalogue.samples[0].target, catalogue.classes)[:4]
    assert (road, car, void, person) == (0, catalogue.classes.index("car"), 255, catalogue.classes.index("person"))


def test_cityscapes_training_numbers_are_read_where_only_they_are_there(tmp_path: Path) -> None:
    mask = numbers(0, 13, 255, 11)
    root = cityscapes(tmp_path, ("train", "bonn_000001_000019"), mask=mask, kind="labelTrainIds")
    catalogue = CityscapesReader().read(root, CityscapesOptions())
    assert read(catalogue.samples[0].target, catalogue.classes)[:4] == [0, 13, 255, 11]


def test_cityscapes_has_drives_of_sequences_and_counts_neighbours(tmp_path: Path) -> None:
    names = [("train", f"bonn_000001_{frame:06d}") for frame in (0, 17, 500)] + [("train", "bonn_000002_000000")]
    catalogue = CityscapesReader().read(cityscapes(tmp_path, *names), CityscapesOptions(drive="sequence"))
    assert {sample.group for sample in catalogue.samples} == {"bonn_000001", "bonn_000002"}
    assert [sample.time for sample in catalogue.samples[:2]] == ["0.000", "1.000"]
    assert "1 of 4 images are within 2 s of the one before in their drive" in catalogue.notes


def test_cityscapes_test_images_are_left_out_and_counted(tmp_path: Path) -> None:
    root = cityscapes(tmp_path, ("train", "bonn_000001_000019"), ("test", "mainz_000000_000019"))
    catalogue = CityscapesReader().read(root, CityscapesOptions())
    assert len(catalogue.samples) == 1
    assert any("1 test images are left out" in note for note in catalogue.notes)


def test_every_mistake_of_a_cityscapes_folder_is_named(tmp_path: Path) -> None:
    root = cityscapes(tmp_path, ("train", "bonn_000001_000019"))
    image(root / "leftImg8bit/train/bonn/one.png")
    image(root / "leftImg8bit/train/bonn/two.png")
    with pytest.raises(DataError) as error:
        CityscapesReader().read(root, CityscapesOptions())
    assert [problem.where for problem in error.value.problems] == ["train/bonn/one.png", "train/bonn/two.png"]


def test_an_image_without_a_mask_is_named(tmp_path: Path) -> None:
    root = cityscapes(tmp_path, ("train", "bonn_000001_000019"))
    image(root / "leftImg8bit/train/bonn/bonn_000003_000019_leftImg8bit.png")
    with pytest.raises(DataError, match="1 of 2 images have no mask") as error:
        CityscapesReader().read(root, CityscapesOptions())
    assert "bonn_000003_000019" in str(error.value.problems[0])


def test_chosen_classes_keep_the_data_sets_order_and_wrong_ones_are_refused(tmp_path: Path) -> None:
    root = cityscapes(tmp_path, ("train", "bonn_000001_000019"))
    catalogue = CityscapesReader().read(root, CityscapesOptions(classes=("car", "road")))
    assert catalogue.classes == ("road", "car")
    assert read(catalogue.samples[0].target, catalogue.classes)[:4] == [0, 1, 255, 255]
    with pytest.raises(DataError) as error:
        CityscapesReader().read(root, CityscapesOptions(classes=("raod", "cra")))
    assert len(error.value.problems) == 2
    assert "road" in str(error.value.problems[0])


# --- CamVid


def test_camvids_colours_come_to_eleven_classes(tmp_path: Path) -> None:
    image(tmp_path / "701_StillsRaw_full/0001TP_006690.png")
    image(
        tmp_path / "LabeledApproved_full/0001TP_006690_L.png", colours("Sky", "Truck_Bus", "Child", "Void", "Archway")
    )
    catalogue = CamVidReader().read(tmp_path, CamVidOptions())
    assert len(catalogue.classes) == 11
    found = read(catalogue.samples[0].target, catalogue.classes)[:5]
    assert found == [0, catalogue.classes.index("Car"), catalogue.classes.index("Pedestrian"), 255, 1]
    assert catalogue.samples[0].time == "223.000"


@pytest.mark.parametrize(("images", "masks"), [("train", "trainannot"), ("train/images", "train/labels")])
def test_camvids_numbers_are_read_from_both_layouts(tmp_path: Path, images: str, masks: str) -> None:
    image(tmp_path / images / "0006R0_f00930.png")
    image(tmp_path / masks / "0006R0_f00930.png", numbers(3, 11, 10))
    catalogue = CamVidReader().read(tmp_path, CamVidOptions())
    assert read(catalogue.samples[0].target, catalogue.classes)[:3] == [3, 255, 10]
    assert catalogue.samples[0].split == "train"


def test_camvids_videos_are_drives_unless_there_is_but_one(tmp_path: Path) -> None:
    for name in ("0006R0_f00930", "0006R0_f00960", "0016E5_00390"):
        image(tmp_path / "train" / f"{name}.png")
        image(tmp_path / "trainannot" / f"{name}.png", numbers(3))
    both = CamVidReader().read(tmp_path, CamVidOptions())
    assert [sample.group for sample in both.samples] == ["0006R0", "0006R0", "0016E5"]
    (tmp_path / "train/0016E5_00390.png").unlink()
    single = CamVidReader().read(tmp_path, CamVidOptions())
    assert [(sample.group, sample.time) for sample in single.samples] == [(None, "31.000"), (None, "32.000")]
    assert any("data.split=time" in note for note in single.notes)


def test_the_table_of_camvid_has_32_colours_and_every_class() -> None:
    assert len({kind.colour for kind in CAMVID.kinds}) == 32
    assert {kind.counts_as for kind in CAMVID.kinds} == {*CAMVID.classes, None}


def test_the_table_of_cityscapes_is_in_the_order_of_its_training_numbers() -> None:
    assert [kind.number for kind in CITYSCAPES.kinds] == list(range(34))
    assert len(CITYSCAPES.classes) == 19
    assert CITYSCAPES.classes[-1] == "bicycle"


def test_the_real_camvid_shows_a_drive_in_both_of_its_splits() -> None:
    if "GRAFT_TEST_DATA" not in os.environ:
        pytest.skip("needs GRAFT_TEST_DATA")
    root = Path(os.environ["GRAFT_TEST_DATA"]) / "data/driving/camvid_day"
    catalogue = CamVidReader().read(root, CamVidOptions())
    assert len(catalogue.samples) == 136
    assert {sample.group for sample in catalogue.samples} == {"0006R0", "0016E5"}
    assert {sample.split for sample in catalogue.samples if sample.group == "0016E5"} == {"train", "val"}
    read(catalogue.samples[0].target, catalogue.classes)


# --- BDD100K


def test_bdd_boxes_are_read_and_rides_are_drives(tmp_path: Path) -> None:
    entries = [
        {"name": "0000f77c-6257be58.jpg", "labels": [label("car", 1, 2, 5, 6), label("person", 0, 0, 3, 4)]},
        {"name": "0000f77c-62c2a288.jpg", "labels": None},
    ]
    catalogue = BddBoxReader().read(bdd(tmp_path, entries), BoxOptions())
    assert catalogue.classes == ("pedestrian", "car")
    first, second = catalogue.samples
    assert first.target.labels == ("car", "pedestrian")
    assert first.target.boxes[0].tolist() == [1, 2, 5, 6]
    assert len(second.target) == 0
    assert first.group == second.group == "0000f77c"
    assert first.split == "train"


def test_bdd_boxes_of_2018_and_one_file_per_image_say_the_same(tmp_path: Path) -> None:
    entry = {"name": "0000f77c-6257be58.jpg", "labels": [label("bike", 1, 2, 5, 6)]}
    old = BddBoxReader().read(bdd(tmp_path / "a", [entry], "labels/bdd100k_labels_images_train.json"), BoxOptions())
    image(tmp_path / "b/images/100k/train/0000f77c-6257be58.jpg")
    single = tmp_path / "b/labels/100k/train/0000f77c-6257be58.json"
    single.parent.mkdir(parents=True)
    single.write_text(json.dumps({"name": "0000f77c-6257be58", "frames": [{"objects": entry["labels"]}]}))
    one = BddBoxReader().read(tmp_path / "b", BoxOptions())
    assert old.classes == one.classes == ("bicycle",)
    assert old.samples[0].target.boxes.tolist() == one.samples[0].target.boxes.tolist()


def test_what_bdd_does_not_evaluate_is_a_crowd_of_every_class(tmp_path: Path) -> None:
    labels = [label("car", 0, 0, 4, 4), label("bus", 0, 0, 4, 4), label("trailer", 5, 0, 9, 4)]
    target = BddBoxReader().read(bdd(tmp_path, [{"name": "a-b.jpg", "labels": labels}]), BoxOptions()).samples[0].target
    assert [n for n, crowd in zip(target.labels, target.crowd, strict=True) if crowd] == ["car", "bus"]


def test_every_mistake_in_bdds_labels_is_named(tmp_path: Path) -> None:
    labels = [label("cat", 0, 0, 4, 4), {"category": "car", "box2d": {"x1": 3}}, label("car", 5, 0, 1, 4)]
    with pytest.raises(DataError) as error:
        BddBoxReader().read(bdd(tmp_path, [{"name": "a-b.jpg", "labels": labels}]), BoxOptions())
    assert len(error.value.problems) == 3


@pytest.mark.parametrize("layout", ["new", "old"])
def test_bdd_masks_have_training_numbers(tmp_path: Path, layout: str) -> None:
    images, mask = {
        "new": ("images/10k/train", "labels/sem_seg/masks/train/a-b.png"),
        "old": ("seg/images/train", "seg/labels/train/a-b_train_id.png"),
    }[layout]
    image(tmp_path / images / "a-b.jpg")
    image(tmp_path / mask, numbers(0, 18, 255))
    catalogue = BddMaskReader().read(tmp_path, SceneOptions())
    assert read(catalogue.samples[0].target, catalogue.classes)[:3] == [0, 18, 255]
    assert catalogue.samples[0].group == "a"


# --- KITTI


def test_kitti_boxes_are_read_and_dont_care_counts_for_no_class(tmp_path: Path) -> None:
    root = kitti(
        tmp_path,
        line("Car", 1.5, 2, 40.5, 42) + line("DontCare", 50, 0, 70, 20, cut=-1, hidden=-1),
        line("Cyclist", 10, 10, 30, 50),
    )
    catalogue = KittiBoxReader().read(root, KittiBoxOptions())
    assert catalogue.classes == ("Car", "Cyclist")
    target = catalogue.samples[0].target
    assert target.labels == ("Car", "Car", "Cyclist")
    assert target.crowd.tolist() == [False, True, True]
    assert target.boxes[0].tolist() == [1.5, 2, 40.5, 42]
    assert any("1 regions are not annotated" in note for note in catalogue.notes)
    assert any("shuffled" in note for note in catalogue.notes)


def test_kitti_objects_beyond_hard_do_not_count(tmp_path: Path) -> None:
    text = line("Car", 0, 0, 40, 30) + line("Car", 0, 0, 40, 24) + line("Car", 0, 0, 40, 30, hidden=3)
    root = kitti(tmp_path, text + line("Car", 0, 0, 40, 30, cut=0.6))
    assert KittiBoxReader().read(root, KittiBoxOptions()).samples[0].target.difficult.tolist() == [
        False,
        True,
        True,
        True,
    ]
    assert not KittiBoxReader().read(root, KittiBoxOptions(hidden="keep")).samples[0].target.difficult.any()


def test_kitti_drives_come_from_the_development_kits_tables(tmp_path: Path) -> None:
    root = mapping(kitti(tmp_path, line("Car", 0, 0, 40, 30), line("Car", 0, 0, 40, 30)))
    samples = KittiBoxReader().read(root, KittiBoxOptions()).samples
    assert [(s.group, s.time) for s in samples] == [
        ("2011_09_28_drive_0002_sync", "3.000"),
        ("2011_09_26_drive_0001_sync", "0.500"),
    ]


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("train_mapping.txt", b"", "it is empty"),
        ("train_mapping.txt", b"\xff\xfe2011", "decode"),
        ("train_mapping.txt", b"2011_09_26 drive_1 x\n", "'x'"),
        ("train_mapping.txt", b"2011_09_26 drive_1\n", "line 1 is no date"),
        ("train_rand.txt", b"", "it is empty"),
        ("train_rand.txt", b"0,1", "no line 0"),
        ("train_rand.txt", b"2,3", "no line 3"),
    ],
)
def test_kitti_tables_that_are_damaged_are_named(tmp_path: Path, name: str, content: bytes, said: str) -> None:
    root = mapping(kitti(tmp_path, line("Car", 0, 0, 40, 30), line("Car", 0, 0, 40, 30)))
    (root / "mapping/train_rand.txt").unlink()
    (root / "mapping" / name).write_bytes(content)
    with pytest.raises(DataError, match=f"{name} is not as KITTI's is: .*{said}"):
        KittiBoxReader().read(root, KittiBoxOptions())


def test_every_wrong_line_of_kitti_is_named(tmp_path: Path) -> None:
    root = kitti(tmp_path, line("Cra", 0, 0, 40, 30) + "Car 0 0\n", line("Car", 40, 0, 10, 30))
    with pytest.raises(DataError) as error:
        KittiBoxReader().read(root, KittiBoxOptions())
    assert [problem.where for problem in error.value.problems] == [
        "label_2/000000.txt line 1",
        "label_2/000000.txt line 2",
        "label_2/000001.txt line 1",
    ]


def test_kitti_masks_have_cityscapes_numbers(tmp_path: Path) -> None:
    image(tmp_path / "training/image_2/000000_10.png")
    image(tmp_path / "training/semantic/000000_10.png", numbers(7, 0, 33))
    catalogue = KittiMaskReader().read(tmp_path, SceneOptions())
    assert read(catalogue.samples[0].target, catalogue.classes)[:3] == [0, 255, 18]


# --- all


def test_each_layout_is_recognised_by_its_reader_alone(tmp_path: Path) -> None:
    roots = {
        CityscapesReader: cityscapes(tmp_path / "c", ("train", "bonn_000001_000019")),
        BddBoxReader: bdd(tmp_path / "b", [{"name": "a-b.jpg", "labels": []}]),
        KittiBoxReader: kitti(tmp_path / "k", line("Car", 0, 0, 40, 30)),
    }
    for reader, root in roots.items():
        assert [other for other in (*roots, CamVidReader, KittiMaskReader) if other().detect(root)] == [reader]
        assert reader().detect(tmp_path / "nothing") is None


def test_those_on_the_road_without_a_car_around_them_come_first() -> None:
    classes = ("road", "sky", "car", "Bicyclist", "person")
    order = safety_first(classes)
    assert [classes[index] for index, _ in order] == ["person", "Bicyclist", "car", "road", "sky"]
    assert [at_risk for _, at_risk in order] == [True, True, True, True, False]
