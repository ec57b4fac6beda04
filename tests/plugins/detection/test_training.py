"""The whole way, through the command line: train, resume, evaluate, predict, export."""

from __future__ import annotations

import csv
import io
import json
import tomllib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from boxes import write_shapes
from graft.backbones.load import build_backbone
from graft.plugins import core_plugins
from graft.recipe.schema import Backbone
from graft.testing.commands import Graft, Result
from graft_detection.formats.coco import CocoReader
from graft_detection.formats.yolo import YoloReader
from graft_detection.options import CocoOptions, YoloOptions

RECIPE = (
    "backbone.size=[64,80]",
    "head.width=32",
    "head.finest=4",
    "head.extra=0",
    "augment.kind=none",
    "strategy.pace.lr=3e-3",
    "strategy.pace.head=1",
    "train.batch=4",
    "evaluation.bootstrap=20",
)


def shapes(folder: Path) -> Path:
    """Write 12 images with two objects each, but the first."""
    return write_shapes(folder, 12, size=64)


def train(graft: Graft, file: Path, *more: str) -> Result:
    given = [f"{name}={file}" for name in ("data.val", "data.test")]
    done = graft("detect", "train", file, *given, *RECIPE, *more, "--out", "runs")
    assert done.code == 0, done.err
    return done


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> tuple[Graft, Path, Path]:
    """A folder with a set of shapes, and the run that has learnt it by heart."""
    folder = tmp_path_factory.mktemp("detect")
    graft = Graft(folder)
    file = shapes(folder / "shapes")
    train(graft, file, "head.kind=ssd", "train.epochs=60")
    (run,) = (folder / "runs").iterdir()
    return graft, file, run


def test_train__learns_and_measures(trained: tuple[Graft, Path, Path]) -> None:
    _, _, run = trained
    results: dict[str, Any] = json.loads((run / "results.json").read_text())
    test = results["metrics"]["test"]
    assert test["map50"]["value"] > 0.9
    assert test["map"]["low"] <= test["map"]["value"] <= test["map"]["high"]
    assert "map50.disc" in test


def test_train__pretrained_norms_are_left_as_they_are_at_small_batches(trained: tuple[Graft, Path, Path]) -> None:
    """That is detection's default; whoever trains from nothing, or with many images at a time, needs them to learn."""
    _, _, run = trained
    assert tomllib.loads((run / "recipe.toml").read_text())["strategy"]["norm"] == "freeze"
    trained_with = load_file(run / "bundle" / "model.safetensors")
    pretrained = build_backbone(Backbone(), plugins=core_plugins()).backbone.state_dict()
    statistics = [name for name in pretrained if name.endswith(("running_mean", "running_var"))]
    assert statistics
    for name in statistics:
        assert torch.equal(trained_with[f"backbone.{name}"], pretrained[name]), name


def test_report__shows_curves_mistakes_and_pictures(trained: tuple[Graft, Path, Path]) -> None:
    _, _, run = trained
    page = (run / "report.html").read_text()
    for title in ("Per class", "Precision over recall", "Kinds of mistakes"):
        assert title in page
    assert "true: " in page


def test_predict__boxes_are_in_the_pixels_of_the_files(trained: tuple[Graft, Path, Path], tmp_path: Path) -> None:
    graft, file, run = trained
    # Twice as wide as it is high: the network saw it padded.
    from PIL import Image

    wide = tmp_path / "wide.png"
    with Image.open(file.parent / "02.png") as image:
        canvas = Image.new("RGB", (256, 128), (30, 30, 30))
        canvas.paste(image.resize((128, 128)), (128, 0))
        canvas.save(wide)
    done = graft("detect", "predict", run, wide, file.parent / "03.png", "--format", "json")
    assert done.code == 0, done.err
    rows = json.loads(done.out)
    rows = rows if isinstance(rows, list) else rows["predictions"]
    truth = {s.path.name: s.target for s in CocoReader().read(file, CocoOptions()).samples}["03.png"]
    sure = [one["box"] for one in rows[1]["detections"] if one["score"] >= 0.5]
    assert len(sure) == len(truth)
    for box in truth.boxes:
        assert np.abs(np.array(sure) - box).max(axis=1).min() < 4
    assert all(one["box"][2] <= 256 and one["box"][3] <= 128 for one in rows[0]["detections"])


def test_predict__files_that_readers_read(trained: tuple[Graft, Path, Path]) -> None:
    graft, file, run = trained
    for kind, folder in (("txt", "yolo"), ("coco", "coco")):
        done = graft("detect", "predict", run, file.parent, "--format", kind, "--out", folder)
        assert done.code == 0, done.err
    found = graft.folder / "coco" / "03.json"
    document = json.loads(found.read_text())
    assert document["images"] == [{"id": 1, "file_name": "03.png", "width": 64, "height": 64}]
    assert all(0 < one["score"] <= 1 for one in document["annotations"])
    (again,) = CocoReader().read(found, CocoOptions(root=str(file.parent.absolute()))).samples
    assert (again.path, len(again.target)) == (file.parent.absolute() / "03.png", len(document["annotations"]))
    # Beside their images, they are labels.
    root = graft.folder / "labels"
    (root / "images").mkdir(parents=True)
    (root / "labels").mkdir()
    (root / "images" / "03.png").write_bytes((file.parent / "03.png").read_bytes())
    (root / "labels" / "03.txt").write_bytes((graft.folder / "yolo" / "03.txt").read_bytes())
    (root / "classes.txt").write_text("disc\nsquare\n")
    (sample,) = YoloReader().read(root, YoloOptions()).samples
    truth = {s.path.name: s.target for s in CocoReader().read(file, CocoOptions()).samples}["03.png"]
    assert sorted(sample.target.labels) == sorted(truth.labels)
    for box in truth.boxes:
        assert np.abs(sample.target.boxes - box).max(axis=1).min() < 4


def test_export__onnx_gives_the_same(trained: tuple[Graft, Path, Path]) -> None:
    pytest.importorskip("onnxruntime")
    graft, _, run = trained
    done = graft("detect", "export", run, "--format", "onnx")
    assert done.code == 0, done.err
    assert list(run.rglob("*.onnx"))


def test_predict__csv_counts(trained: tuple[Graft, Path, Path]) -> None:
    graft, file, run = trained
    done = graft("detect", "predict", run, file.parent / "03.png", file.parent / "01.png")
    rows = list(csv.DictReader(io.StringIO(done.out)))
    assert [row["objects"] for row in rows] == ["2", "0"]
    assert int(rows[0]["count.disc"]) + int(rows[0]["count.square"]) == 2


def test_evaluate__gives_the_same_values(trained: tuple[Graft, Path, Path]) -> None:
    graft, _, run = trained
    done = graft("--json", "detect", "evaluate", run)
    assert done.code == 0, done.err
    again = json.loads(done.out)["metrics"]["test"]
    before = json.loads((run / "results.json").read_text())["metrics"]["test"]
    assert again["map"]["value"] == pytest.approx(before["map"]["value"], abs=1e-6)


def test_resume__ends_with_the_same_weights(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of two stages: which proposals are learnt from is drawn, and comes out the same."""
    from graft.engine import _record
    from graft.engine._signals import Stopped

    graft = Graft(tmp_path)
    words = ("head.kind=faster-rcnn", "head.hidden=32", "head.proposals=20", "train.epochs=3", "augment.kind=basic")
    file = shapes(tmp_path / "shapes")
    given = ("detect", "train", file, f"data.val={file}", *words, *RECIPE[:4], *RECIPE[5:])
    assert graft(*given, "--name", "whole").code == 0
    real = _record.Recorder.finish_epoch

    def stop_after_one(self: _record.Recorder, epoch: Any, learner: Any) -> bool:
        ends = real(self, epoch, learner)
        if epoch.number == 1:
            raise Stopped(terminated=True)
        return ends

    with monkeypatch.context() as patched:
        patched.setattr(_record.Recorder, "finish_epoch", stop_after_one)
        assert graft(*given, "--name", "cut").code == 143
    resumed = graft("resume", "runs/cut")
    assert resumed.code == 0, resumed.err
    results = [json.loads((tmp_path / "runs" / name / "results.json").read_text()) for name in ("whole", "cut")]
    assert results[0]["weights_sha256"] == results[1]["weights_sha256"]


def test_train__a_set_without_any_object_is_refused(tmp_path: Path) -> None:
    graft = Graft(tmp_path)
    file = write_shapes(tmp_path / "shapes", 8, empty=8)
    done = graft("detect", "train", file, *RECIPE, "--out", "runs")
    assert done.code == 2
    assert "no object to train on (no image has any)" in done.err


@pytest.mark.parametrize("head", ["retinanet", "fcos"])
def test_export__every_head_of_one_stage(tmp_path: Path, head: str) -> None:
    pytest.importorskip("onnxruntime")
    graft, file = Graft(tmp_path), shapes(tmp_path / "shapes")
    width = 64 if head == "fcos" else 32
    train(graft, file, f"head.kind={head}", f"head.width={width}", "train.epochs=1", "evaluation.bootstrap=0")
    (run,) = (tmp_path / "runs").iterdir()
    done = graft("--json", "detect", "export", run, "--format", "onnx")
    assert done.code == 0, done.err
    assert json.loads(done.out)["max_abs_difference"] < 1e-3


def test_predict__categories_are_numbered_as_in_the_data(trained: tuple[Graft, Path, Path], tmp_path: Path) -> None:
    graft, file, _ = trained
    document = json.loads(file.read_text())
    numbers = {"disc": 18, "square": 90}
    old = {one["id"]: one["name"] for one in document["categories"]}
    for one in document["categories"]:
        one["id"] = numbers[one["name"]]
    for one in document["annotations"]:
        one["category_id"] = numbers[old[one["category_id"]]]
    other = file.parent / "numbered.json"
    other.write_text(json.dumps(document))
    done = graft("detect", "train", other, *RECIPE, "head.kind=ssd", "train.epochs=1", "--out", tmp_path / "runs", "-q")
    assert done.code == 0, done.err
    (run,) = (tmp_path / "runs").iterdir()
    done = graft("detect", "predict", run, file.parent / "03.png", "--format", "coco", "--out", tmp_path / "found")
    assert done.code == 0, done.err
    (found,) = (json.loads(path.read_text()) for path in (tmp_path / "found").iterdir())
    assert {one["name"]: one["id"] for one in found["categories"]} == numbers
    assert {one["category_id"] for one in found["annotations"]} <= {18, 90}
    done = graft("data", "convert", other, tmp_path / "again", "--to", "coco")
    assert done.code == 0, done.err
    (again,) = (tmp_path / "again").glob("*.json")
    assert {one["name"]: one["id"] for one in json.loads(again.read_text())["categories"]} == numbers


def test_convert__takes_the_options_of_a_reader(trained: tuple[Graft, Path, Path], tmp_path: Path) -> None:
    graft, file, _ = trained
    (tmp_path / "moved.json").write_text(file.read_text())
    words = ("data", "convert", tmp_path / "moved.json", tmp_path / "out", "--to", "yolo")
    assert graft(*words).code != 0, "the images are elsewhere"
    done = graft(*words, "--reader", "coco", f"root={file.parent}")
    assert done.code == 0, done.err
    refused = graft(*words, "--reader", "coco", "rooot=x")
    assert refused.code == 2
    assert "rooot: unknown key (did you mean 'root'?)" in refused.err
    assert "--reader NAME" in graft(*words, "root=x").err
