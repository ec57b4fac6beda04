"""Strategies mean the same for every task: what is frozen stays as it is to the last bit, and the rest learns."""

from __future__ import annotations

from pathlib import Path

import pytest

from graft.console import Console
from graft.engine.train import train
from graft.plugins import HeadSpec, StrategySpec, TaskSpec, core_plugins, load_plugins
from graft.recipe import load_recipe
from graft.testing.watch import Watch

PLUGINS = load_plugins(names=["detection", "segmentation"])

HEADS = ("faster-rcnn", "ssd", "unet", "deeplabv3+")

SMALL = {"faster-rcnn": {"hidden": 32, "proposals": 20, "sampled": 16}, "unet": {"width": 4}}

SIZE = 64


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The sample data of each task."""
    made = {}
    for name in ("detection", "segmentation"):
        made[name] = tmp_path_factory.mktemp(name)
        PLUGINS.sample(PLUGINS.find(TaskSpec, name))(made[name], seed=0, size=SIZE, per_class=2)
    return made


@pytest.mark.parametrize("preset", core_plugins().specs(StrategySpec))
@pytest.mark.parametrize("head", HEADS)
def test_preset(
    head: str, preset: str, folders: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (task,) = PLUGINS.find(HeadSpec, head).tasks
    monkeypatch.setenv("GRAFT_HOME", str(tmp_path / "home"))
    base = {
        "task": task,
        "data.train": str(folders[task] / "target"),
        "backbone.size": SIZE,
        "head": {"kind": head, "width": 32, **SMALL.get(head, {})},
        "augment": "none",
        "strategy.preset": preset,
        "train.batch": 3,
        "train.epochs": 3,
        "evaluation.metrics": [PLUGINS.find(TaskSpec, task).monitor],
        "evaluation.bootstrap": 0,
    }
    watch = Watch(monkeypatch)
    train(load_recipe(None, base=base, plugins=PLUGINS), plugins=PLUGINS, out=tmp_path, console=Console(quiet=True))
    watch.check(epochs=3)
    if preset == "fixed":
        assert watch.changed == [{"head"}] * 3
    if preset == "gradual":
        assert watch.frozen[0] > watch.frozen[1] > watch.frozen[2]
