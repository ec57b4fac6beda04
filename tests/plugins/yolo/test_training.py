"""YOLO in Graft's engine: freezing, cached prefixes, rates, resuming, reports, prediction and export."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from boxes import write_shapes
from graft.engine import _record
from graft.engine._signals import Stopped
from graft.plugins import StrategySpec, core_plugins
from graft.testing.commands import Graft
from graft.testing.watch import Watch

SIZE = 64
QUICK = (f"backbone.size={SIZE}", "backbone.weights=none", "train.batch=6", "evaluation.bootstrap=0")
PRESETS = tuple(core_plugins().specs(StrategySpec))


@pytest.fixture(scope="module")
def shapes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Twelve images: two batches."""
    return write_shapes(tmp_path_factory.mktemp("shapes"), 12, size=SIZE)


@pytest.fixture
def unreported(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave the report out: it takes longer than the training."""

    def write(run: Any, material: object) -> Path:
        path: Path = run.path / "report.html"
        path.write_text("")
        return path

    monkeypatch.setattr("graft.engine._finish.write_report", write)


def train(graft: Graft, file: Path, *words: str) -> dict[str, Any]:
    """Train with the trunk of YOLO11 and the head, unless `words` say otherwise, and return the results."""
    given = ("backbone.kind=yolo11n", "head.kind=yolo", f"data.val={file}", *QUICK, *words)
    done = graft("detect", "train", file, *given, "--name", "a")
    assert done.code == 0, done.err
    results: dict[str, Any] = json.loads((graft.folder / "runs" / "a" / "results.json").read_text())
    return results | {"said": done.err}


@pytest.mark.parametrize("kind", ["yolo26n", "resnet18"])
def test_train__whole_way(kind: str, shapes: Path, tmp_path: Path) -> None:
    graft = Graft(tmp_path)
    words = (f"backbone.kind={kind}", "head.version=yolo26", "head.nms=false", "train.epochs=1")
    results = train(graft, shapes, *words, f"data.test={shapes}")
    assert 0 <= results["metrics"]["test"]["map"]["value"] <= 1
    bundle = json.loads((tmp_path / "runs/a/bundle/bundle.json").read_text())
    assert bundle["plugins"]["yolo"]["licence"] == "AGPL-3.0-only"
    assert bundle["plugins"]["detection"]["licence"] == "Apache-2.0"
    assert "AGPL-3.0-only" in (tmp_path / "runs/a/report.html").read_text()
    done = graft("detect", "predict", "runs/a", shapes.parent / "03.png", "--format", "json")
    assert done.code == 0, done.err
    for one in json.loads(done.out)[0]["detections"]:
        left, top, right, bottom = one["box"]
        assert 0 <= left < right <= SIZE
        assert 0 <= top < bottom <= SIZE


def test_export__onnx_gives_the_same(shapes: Path, tmp_path: Path, unreported: None) -> None:
    pytest.importorskip("onnxruntime")
    graft = Graft(tmp_path)
    train(graft, shapes, "train.epochs=1")
    done = graft("detect", "export", "runs/a", "--format", "onnx")
    assert done.code == 0, done.err
    assert (tmp_path / "runs/a/model.onnx").exists()


def test_info__says_the_licence(tmp_path: Path) -> None:
    said = json.loads(Graft(tmp_path)("--json", "plugins", "info", "yolo").out)
    assert said["licence"] == "AGPL-3.0-only"


@pytest.mark.parametrize("preset", PRESETS)
def test_presets__what_is_frozen_stays_to_the_last_bit_and_the_rest_learns(
    preset: str, shapes: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    watch = Watch(monkeypatch)
    train(Graft(tmp_path), shapes, f"strategy={preset}", "train.epochs=3")
    watch.check(epochs=3)
    if preset == "fixed":
        assert watch.changed == [{"head"}] * 3
    if preset in ("gradual", "discriminative"):
        assert watch.rates["stage4"] == pytest.approx(watch.rates["stage3"] / 0.4)


def test_prefix__cached_or_not_is_the_same(shapes: Path, tmp_path: Path, unreported: None) -> None:
    digests = []
    for name, words in {"cached": (), "calculated": ("cache.limit=0",)}.items():
        (tmp_path / name).mkdir()
        given = ("strategy=partial", "augment.kind=none", "train.epochs=3", *words)
        results = train(Graft(tmp_path / name), shapes, *given)
        digests.append(results["weights_sha256"])
    assert digests[0] == digests[1]
    assert any((tmp_path / "cached" / "home" / "features").iterdir())


def test_resume__ends_with_the_same_weights(
    shapes: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, unreported: None
) -> None:
    graft = Graft(tmp_path)
    words = ("backbone.kind=yolo26n", "head.kind=yolo", "head.version=yolo26", *QUICK, "train.epochs=3")
    given = ("detect", "train", shapes, f"data.val={shapes}", *words, "augment.kind=basic")
    assert graft(*given, "--name", "whole").code == 0
    real: Callable[..., bool] = _record.Recorder.finish_epoch

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


def test_weights__of_the_head_are_taken_once_and_the_bundle_needs_no_file(
    shapes: Path, tmp_path: Path, unreported: None
) -> None:
    first = Graft(tmp_path / "first")
    first.folder.mkdir()
    train(first, shapes, "train.epochs=1")
    weights = tmp_path / "first.safetensors"
    (first.folder / "runs/a/bundle/model.safetensors").rename(weights)
    second = Graft(tmp_path / "second")
    second.folder.mkdir()
    results = train(second, shapes, "train.epochs=1", f"backbone.weights={weights}", f"head.weights={weights}")
    assert "Choice   head yolo: begins with " in results["said"]
    assert "from first.safetensors" in results["said"]
    weights.unlink()
    done = second("detect", "predict", "runs/a", shapes.parent / "03.png")
    assert done.code == 0, done.err
