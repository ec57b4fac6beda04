"""What the task's heads and the augmentation hold training back with acts: without it the weights are others."""

from __future__ import annotations

from pathlib import Path

import pytest

from graft.console import Console
from graft.engine.train import train
from graft.plugins import Plugins, load_plugins
from graft.recipe import load_recipe
from photos import write_photos

QUICK = {
    "task.kind": "classification",
    "backbone.weights": "none",
    "backbone.size": 32,
    "train.epochs": 2,
    "train.batch": 8,
    "evaluation.bootstrap": 0,
}


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three classes, one of them rarer than the others."""
    root = write_photos(tmp_path_factory.mktemp("training") / "photos", per_class=12)
    for path in sorted((root / "sky").iterdir())[6:]:
        path.unlink()
    return root


@pytest.fixture(scope="module")
def plugins() -> Plugins:
    return load_plugins(names=["classification"])


@pytest.fixture
def weights(photos: Path, plugins: Plugins, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("graft.engine._finish.write_report", lambda run, material: run.path / "report.html")

    def trained(*overrides: str) -> str:
        recipe = load_recipe(None, base={**QUICK, "data.train": str(photos)}, overrides=overrides, plugins=plugins)
        run = train(recipe, plugins=plugins, out=tmp_path, name=None, console=Console(quiet=True))
        return str(run.results["weights_sha256"])

    return trained


@pytest.mark.parametrize(
    "override",
    [
        "head.dropout=0.5",
        "head.label_smoothing=0.2",
        "head.class_weights=balanced",
        "head.focal=2",
        "augment.erase=0.9",
    ],
)
def test_regularisers__act(override: str, weights) -> None:
    plain = ("head.kind=linear", "augment.kind=flip")
    assert weights(*plain) != weights(*plain, override)


def test_mixing__with_every_loss_of_the_task(weights) -> None:
    mixed = ("strategy.regularise.mixup=0.2", "strategy.regularise.cutmix=1.0")
    losses = ("head.label_smoothing=0.1", "head.focal=2", "head.class_weights=balanced")
    assert len({weights(*mixed), *(weights(*mixed, loss) for loss in losses)}) == 4
