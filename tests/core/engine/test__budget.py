"""What a time budget is worth."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import pytest
import torch

from graft.console import Console
from graft.engine import _budget
from graft.engine._budget import epochs_in, measuring_seconds
from graft.engine._setup import Experiment, set_up
from graft.engine._trial import Trial
from graft.plugins import Plugins
from graft.recipe import ResolvedRecipe

PER_IMAGE, PER_VIEW = 0.02, 0.005
"""Seconds that training on an image and looking at one take here."""


@pytest.fixture
def prepare(recipe: Callable[..., ResolvedRecipe], plugins: Plugins) -> Callable[..., Experiment]:
    def prepared(*overrides: str) -> Experiment:
        return set_up(recipe(*overrides), plugins=plugins, console=Console(quiet=True))

    return prepared


@pytest.fixture
def paces(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a step and a look take known times, whatever the machine does."""

    def seconds(batches: Any, work: Any, device: str) -> float:
        work(next(iter(batches)))
        return PER_IMAGE if getattr(work, "__self__", None).__class__ is Trial else PER_VIEW

    monkeypatch.setattr(_budget, "_seconds_per_image", seconds)


@pytest.mark.parametrize(("overrides", "steps"), [((), 1), (("strategy.regularise.sam=0.05",), 2)])
def test_epochs_in__training_and_validation(
    overrides: tuple[str, ...], steps: int, prepare: Callable[..., Experiment], paces: None
) -> None:
    experiment = prepare(*overrides)
    train, val = (len(experiment.prepared.split[split]) for split in ("train", "val"))
    once = steps * PER_IMAGE * train + PER_VIEW * val
    assert epochs_in(experiment, 10 * once) == 10
    assert epochs_in(experiment, 0.1 * once) == 1, "at least one"
    assert epochs_in(experiment, 1e9) == 1000, "a schedule has an end"


def test_epochs_in__counts_samples_as_often_as_they_are_seen(
    prepare: Callable[..., Experiment], paces: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    experiment = prepare()
    loader, sampler = experiment.train_loader()
    monkeypatch.setattr(type(sampler), "__len__", lambda _: 1000)
    monkeypatch.setattr(Experiment, "train_loader", lambda _: (loader, sampler))
    val = len(experiment.prepared.split["val"])
    assert epochs_in(experiment, 5 * (PER_IMAGE * 1000 + PER_VIEW * val)) == 5


def test_epochs_in__looks_at_the_middle_of_the_training(
    prepare: Callable[..., Experiment], paces: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[set[bool]] = []
    step = Trial.step

    def look(trial: Trial, batch: Any) -> float:
        seen.append({parameter.requires_grad for parameter in trial.model.backbone.parameters()})
        return step(trial, batch)

    monkeypatch.setattr(Trial, "step", look)
    epochs_in(prepare("strategy.unfreeze={kind='head-then-all', head=0.4}", "train.epochs=10"), 1.0)
    epochs_in(prepare("strategy.unfreeze={kind='head-then-all', head=0.6}", "train.epochs=10"), 1.0)
    assert seen == [{True}, {False}]


def test_epochs_in__leaves_the_model_as_it_is(prepare: Callable[..., Experiment]) -> None:
    experiment = prepare()
    before = {name: tensor.clone() for name, tensor in experiment.model.state_dict().items()}
    epochs_in(experiment, 1.0)
    assert all(torch.equal(before[name], tensor) for name, tensor in experiment.model.state_dict().items())


def test_measuring_seconds__one_validation_and_both_splits_at_the_end(
    prepare: Callable[..., Experiment], paces: None
) -> None:
    experiment = prepare()
    val, test = (len(experiment.prepared.split[split]) for split in ("val", "test"))
    assert measuring_seconds(experiment) == pytest.approx(PER_VIEW * (2 * val + test))
    assert measuring_seconds(prepare("data.split.val=0", "data.split.test=0")) == 0.0


def test_seconds_per_image__a_median_without_the_first(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [0.0]
    monkeypatch.setattr(time, "perf_counter", lambda: now[0])

    def work(batch: list[int]) -> None:
        now[0] += batch[0]

    def per_image(*seconds: int) -> float:
        return _budget._seconds_per_image(([one, 0] for one in seconds), work, "cpu")

    assert per_image(4, 1, 1, 3, 100) == 0.5, "four are enough"
    assert per_image(8, 1, 1, 1) == 4.0, "a long first one has to do"
