"""Drawn drives: repeatable, complete, and read by the domain's own readers."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from graft_driving.options import BoxOptions, CamVidOptions
from graft_driving.readers.bdd100k import BddBoxReader
from graft_driving.readers.camvid import CamVidReader
from graft_driving.sample import SIGNS, write_boxes, write_scenes, write_signs
from graft_driving.street import Drive


@pytest.mark.parametrize("write", [write_scenes, write_boxes, write_signs])
def test_the_same_seed_gives_the_same_files_and_another_one_others(tmp_path: Path, write: object) -> None:
    count = write(tmp_path / "a", seed=3, size=32, per_class=2)
    write(tmp_path / "b", seed=3, size=32, per_class=2)
    write(tmp_path / "c", seed=4, size=32, per_class=2)
    a, b, c = (
        {file.relative_to(tmp_path / name): file.read_bytes() for file in (tmp_path / name).rglob("*.*")}
        for name in "abc"
    )
    assert a == b
    assert a.keys() == c.keys()
    pictures = [name for name in a if name.suffix == ".png" and "annot" not in name.parent.name]
    assert len(pictures) == count
    assert all(a[name] != c[name] for name in pictures)


@pytest.mark.parametrize("part", ["source", "target"])
def test_scenes_show_every_class_and_no_drive_is_in_two_splits(tmp_path: Path, part: str) -> None:
    write_scenes(tmp_path, size=48, per_class=5)
    catalogue = CamVidReader().read(tmp_path / part, CamVidOptions())
    index = {name: number for number, name in enumerate(catalogue.classes)}
    seen = {
        int(v) for s in catalogue.samples if s.split == "train" for v in np.unique(s.target.read(index, multi=False))
    }
    assert seen == set(range(11))
    splits = {
        drive: {s.split for s in catalogue.samples if s.group == drive}
        for drive in {s.group for s in catalogue.samples}
    }
    assert all(len(own) == 1 for own in splits.values())
    assert any("within 2 s of the one before" in note for note in catalogue.notes)


def test_boxes_are_read_and_lie_on_what_they_name(tmp_path: Path) -> None:
    write_boxes(tmp_path, size=64, per_class=5)
    catalogue = BddBoxReader().read(tmp_path / "target", BoxOptions())
    assert catalogue.classes == ("pedestrian", "car", "bicycle", "traffic sign")
    assert {sample.split for sample in catalogue.samples} == {"train", "val", "test"}
    scene = Drive("target", size=64, seed=(0, 0, 0)).frame(2)
    (left, top, right, bottom), _ = next(own for own in scene.boxes if own[1] == "car")
    inside = scene.mask[round(top) : round(bottom), round(left) : round(right)]
    assert (inside == 8).mean() > 0.4


def test_signs_of_a_track_are_in_one_split(tmp_path: Path) -> None:
    write_signs(tmp_path, size=32, per_class=2)
    assert {folder.name for folder in (tmp_path / "target/train").iterdir()} == set(SIGNS)
    tracks = {
        split: {f.name.split("_")[0] for f in (tmp_path / "source" / split).rglob("*.png")}
        for split in ("train", "test")
    }
    assert not tracks["train"] & tracks["test"]
    assert Image.open(next((tmp_path / "target/train/left").iterdir())).size == (32, 32)
