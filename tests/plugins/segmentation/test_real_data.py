"""Street scenes, membranes and roads, for one epoch each."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from graft.console import Console
from graft.engine.train import train
from graft.plugins import Plugins, load_plugins
from graft.recipe import load_recipe
from graft.runs.folder import Run
from graft.runs.predict import Predictor

ROOT = os.environ.get("GRAFT_TEST_DATA")
pytestmark = pytest.mark.skipif(not ROOT, reason="GRAFT_TEST_DATA names no folder")

CAMVID = ["sky", "building", "pole", "road", "pavement", "tree", "sign", "fence", "car", "pedestrian", "bicyclist"]


@pytest.fixture(scope="module")
def plugins() -> Plugins:
    return load_plugins(names=["segmentation"])


def _trained(plugins: Plugins, out: Path, data: str | Path, *overrides: str) -> Run:
    base = {
        "task.kind": "segmentation",
        "data.train": str(Path(str(ROOT)) / "data" / data),
        "backbone.size": 128,
        "train.epochs": 1,
        "train.batch": 8,
        "evaluation.bootstrap": 0,
        "evaluation.metrics": ["iou", "pixel_accuracy"],
    }
    recipe = load_recipe(None, base=base, overrides=overrides, plugins=plugins)
    return train(recipe, plugins=plugins, out=out, name=None, console=Console(quiet=True))


def _predicts_whole_images(run: Run, plugins: Plugins, image: Path) -> None:
    (file,) = Predictor.from_path(run.path, plugins=plugins).predict(image)
    width, height = Image.open(image).size
    assert file.prediction.mask.shape == (height, width)
    assert "could not be made" not in (run.path / "report.html").read_text("utf-8")


def _every(nth: int, data: Path, to: Path) -> Path:
    """Copy every nth image with its mask: an epoch over all windows of all of them takes minutes."""
    for folder in ("train/images", "train/labels", "val/images", "val/labels"):
        (to / folder).mkdir(parents=True)
        for file in sorted((data / folder).iterdir())[::nth]:
            shutil.copy(file, to / folder)
    return to


def test_camvid(plugins: Plugins, tmp_path: Path) -> None:
    classes = f"data.reader.classes={CAMVID}"
    reader = ("data.reader.kind=masks", classes, "data.reader.ignore=[11]")
    streets = _every(4, Path(str(ROOT)) / "data/driving/camvid_day", tmp_path / "streets")
    run = _trained(plugins, tmp_path, streets, *reader, "head.width=8")
    values = run.results["metrics"]["val"]
    assert values["pixel_accuracy"]["value"] > 0.5
    assert set(CAMVID) == {name.partition(".")[2] for name in values if name.startswith("iou.")}
    _predicts_whole_images(run, plugins, min((streets / "val/images").iterdir()))


def test_isbi(plugins: Plugins, tmp_path: Path) -> None:
    run = _trained(plugins, tmp_path, "medical/isbi_em", "backbone.channels=1", "data.split=time", "head.width=8")
    assert run.results["metrics"]["test"]["iou"]["value"] > run.results["baseline"]["test"]["iou"]["value"]
    _predicts_whole_images(run, plugins, Path(str(ROOT)) / "data/medical/isbi_em/image/0.png")


def test_eth_roads(plugins: Plugins, tmp_path: Path) -> None:
    reader = ("data.reader.kind=masks", "data.reader.threshold=127", "data.reader.classes=['field', 'road']")
    run = _trained(plugins, tmp_path, "satellite/eth_roads", *reader, "head=fcn")
    values = run.results["metrics"]["test"]
    assert values["iou.road"]["value"] > 0.05
    assert np.isfinite(run.history[-1]["val.loss"])
    _predicts_whole_images(run, plugins, Path(str(ROOT)) / "data/satellite/eth_roads/images/satImage_001.jpg")
