"""`graft demo`: a fair comparison. Training itself is replaced here; the journeys carry the demo out."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

import graft.engine.train
from graft.cli import demo
from graft.cli.session import Session, begin
from graft.errors import PluginError
from graft.plugins import core_plugins


@dataclass
class FakeRun:
    path: Path
    recipe: dict[str, Any]

    @property
    def bundle(self) -> Path:
        return self.path / "bundle"

    @property
    def results(self) -> dict[str, Any]:
        value = {"value": 0.5, "low": 0.4, "high": 0.6}
        return {"metrics": {"test": {"balanced_accuracy": value}}, "seconds": 1.0}


@pytest.fixture
def runs(monkeypatch: pytest.MonkeyPatch) -> dict[str, FakeRun]:
    made: dict[str, FakeRun] = {}

    def train(resolved: Any, *, plugins: Any, out: Path, name: str, console: Any) -> FakeRun:
        console.warn(f"warning of {name}")
        step = name.rpartition("-")[2]
        made[step] = FakeRun(out / name, resolved.recipe.model_dump())
        return made[step]

    monkeypatch.setattr(graft.engine.train, "train", train)
    monkeypatch.setattr(demo, "SIZE", 16)
    monkeypatch.setattr(demo, "PER_CLASS", 2)
    begin(Session())
    return made


def _demo(out: Path, **options: Any) -> None:
    demo.demo(**{"out": out, "seed": 3, "as_json": False, "quiet": True, **options})


def test_demo__the_two_trainings_differ_in_their_weights_alone(tmp_path: Path, runs: dict[str, FakeRun]) -> None:
    _demo(tmp_path)
    assert list(runs) == ["source", "transfer", "scratch"]
    source, transfer, scratch = (run.recipe for run in runs.values())
    assert source["backbone"].pop("weights") == "pretrained"
    assert source["data"]["train"] == str(tmp_path / "demo-images-3" / "source")
    assert transfer["backbone"].pop("weights") == str(runs["source"].path / "bundle" / "model.safetensors")
    assert scratch["backbone"].pop("weights") == "none"
    assert transfer == scratch
    assert transfer["train"]["seed"] == 3
    assert transfer["data"]["train"] == str(tmp_path / "demo-images-3" / "target")


def test_demo__images_are_drawn_once(tmp_path: Path, runs: dict[str, FakeRun]) -> None:
    _demo(tmp_path)
    readme = tmp_path / "demo-images-3" / "README.txt"
    before = readme.stat().st_mtime_ns
    _demo(tmp_path)
    assert readme.stat().st_mtime_ns == before


def test_demo__json_document(tmp_path: Path, runs: dict[str, FakeRun], capsys: pytest.CaptureFixture[str]) -> None:
    _demo(tmp_path, as_json=True)
    document = json.loads(capsys.readouterr().out)
    assert document["run"] == str(runs["transfer"].path)
    assert document["scratch"]["run"] == str(runs["scratch"].path)
    assert document["metrics"]["test"]["balanced_accuracy"]["low"] == 0.4
    assert len([line for line in document["warnings"] if line.startswith("warning of")]) == 3


def test_demo__no_task_for_labels(tmp_path: Path, runs: dict[str, FakeRun]) -> None:
    session = Session()
    session.__dict__["plugins"] = core_plugins()
    begin(session)
    with pytest.raises(PluginError, match="no plugin that is on has a task"):
        _demo(tmp_path)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(("low", "said"), [(0.4, "0.50 (0.40 to 0.60)"), (None, "transfer 0.50   from")])
def test_demo__says_an_interval_where_there_is_one(
    low: float | None, said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, runs: dict[str, FakeRun], capsys: Any
) -> None:
    value = {"value": 0.5, "low": low, "high": low and 0.6}
    results = {"metrics": {"test": {"balanced_accuracy": value}}, "seconds": 1.0}
    monkeypatch.setattr(FakeRun, "results", property(lambda _: results))
    _demo(tmp_path, quiet=False)
    text = " ".join(capsys.readouterr().err.split())
    assert said.replace("   ", " ") in text
    assert ("95 % intervals" in text) == (low is not None)
