"""What other people's data sets are like. `GRAFT_TEST_DATA` names the folder that has `data/`."""

from __future__ import annotations

import os
from collections import Counter
from pathlib import Path

import pytest

from graft.console import Console
from graft.data.options import CsvOptions, FolderOptions
from graft.data.prepare import prepare, read
from graft.data.store import PixelStore
from graft.errors import DataError
from graft.plugins.descriptors import ReaderSpec
from graft.preprocess import Preprocess
from graft.recipe.schema import Data

SHARED = os.environ.get("GRAFT_TEST_DATA", "")
pytestmark = pytest.mark.skipif(not SHARED, reason="GRAFT_TEST_DATA names no folder with real data")
ROOT = Path(SHARED) / "data"


@pytest.fixture
def prepared(plugins, task):
    def run(train, *, kind=None, options=None, **settings):
        data = Data(train=str(ROOT / train), **settings)
        reader = ReaderSpec(name=kind, summary="", target="", gives="labels") if kind else None
        catalogue = read(data, takes="labels", reader=reader, options=options, plugins=plugins)
        store = PixelStore(Preprocess(size=(64, 64)))
        return prepare(catalogue, data, task=task(), store=store, console=Console(quiet=True))

    return run


def groups(prepared, name):
    return {prepared.catalogue.samples[index].group for index in prepared.split[name]}


def test_white_blood_cells(prepared):
    cells = prepared(
        "medical/wbc1/labels.csv", kind="csv", options=CsvOptions(path="image", label="class", root="images")
    )
    assert len(cells.catalogue.samples) == 300
    counts = Counter(sample.target[0] for sample in cells.catalogue.samples)
    assert min(counts.values()) == 1
    assert cells.bad_files == ()
    rare = min(counts, key=lambda name: counts[name])
    assert rare in {cells.catalogue.samples[index].target[0] for index in cells.split["train"]}


def test_white_blood_cells__folder_is_no_trap(prepared):
    with pytest.raises(DataError, match="images and masks where the class folders should be"):
        prepared("medical/wbc1")


def test_scenes__one_level_too_deep(prepared):
    with pytest.raises(DataError, match="one level deeper") as caught:
        prepared("satellite/rsscn7")
    assert "block0" in (caught.value.fix or "")


def test_scenes__train_on_one_scale_and_test_on_the_other(prepared):
    scenes = prepared("satellite/rsscn7/block0", test=str(ROOT / "satellite/rsscn7/block1"))
    assert len(scenes.catalogue.classes) == 7
    assert {scenes.catalogue.samples[index].id[:5] for index in scenes.split["test"]} == {"test/"}
    assert len(scenes.split["test"]) == len(scenes.split["train"]) + len(scenes.split["val"]) == 210


def test_scenes__scales_as_groups(prepared):
    scenes = prepared("satellite/rsscn7", kind="folder", options=FolderOptions(class_level=2))
    assert groups(scenes, "train").isdisjoint(groups(scenes, "test"))


def test_ants_and_bees(prepared):
    insects = prepared("general/hymenoptera")
    assert insects.catalogue.classes == ("ants", "bees")
    assert len(insects.split["val"]) == 153
    assert "test taken from train" in insects.split_by


def test_traffic_signs__by_track(prepared):
    signs = prepared("driving/gtsrb", group=r"(\d+/\d+)_\d+")
    assert len(signs.catalogue.classes) == 43
    for one, other in (("train", "val"), ("train", "test"), ("val", "test")):
        assert groups(signs, one).isdisjoint(groups(signs, other))
    for name in ("val", "test"):
        assert len({signs.catalogue.samples[index].target for index in signs.split[name]}) >= 30
