"""What a recipe leaves to us is measured, chosen and written down before training begins.

Nothing that says `auto` is left in the recipe of a run: carried out again, it trains the same way.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import replace
from itertools import islice
from typing import Any

from torch import Tensor, nn

from graft.console import Console
from graft.engine._batch import largest_batch
from graft.engine._budget import epochs_in
from graft.engine._seeds import derive, seed_all
from graft.engine._setup import Experiment
from graft.engine._speed import fastest
from graft.plugins import StrategySpec
from graft.recipe.layers import leaves, plain
from graft.recipe.schema import Strategy
from graft.recipe.values import budget_seconds
from graft.sequences import Sequences
from graft.strategies.auto import Situation, choose, choose_norm
from graft.strategies.shift import shift

_BATCHES_SEEN = 4

_REPORT = 5.0
"""Seconds that bundle and report take after the last measurement."""


def deadline(experiment: Experiment, *, began: float, spent: float = 0.0) -> float | None:
    """Return when the last measurement must be over for a budget, in seconds of `time.monotonic`; None without one.

    Args:
        experiment: Its recipe may have a budget.
        began: When the command began.
        spent: Seconds that were used up before it, when a run is resumed.
    """
    if experiment.recipe.train.budget is None:
        return None
    budget = budget_seconds(experiment.recipe.train.budget)
    return began + budget - min(_REPORT, 0.1 * budget) - spent


def make_choices(experiment: Experiment, *, ends: float | None, console: Console) -> Experiment:
    """Return the experiment with a batch, norms, a strategy, a way to calculate and a number of epochs.

    Args:
        experiment: Its model stays as it is.
        ends: As `deadline` gives it.
        console: Is told each choice, with its reason.
    """
    known = len(experiment.choices)
    seed_all(derive(experiment.recipe.train.seed, "choices"))
    if experiment.recipe.train.batch == "auto":
        batch, why = largest_batch(experiment, console)
        experiment = experiment.changed(why, train=experiment.recipe.train.model_copy(update={"batch": batch}))
    if experiment.recipe.strategy.norm == "auto":
        experiment = _with_norms(experiment)
    if experiment.recipe.strategy.unfreeze.kind == "auto":
        experiment = _with_strategy(experiment, ends)
    if experiment.recipe.speed.mode == "auto":
        speed, precision, why = fastest(experiment, console)
        train = experiment.recipe.train.model_copy(update={"precision": precision})
        experiment = replace(experiment.changed(why, train=train, speed=speed), precision=precision)
    if ends is not None:
        experiment = _with_epochs(experiment, ends)
    for sentence in experiment.choices[known:]:
        console.say("Choice", sentence)
    return experiment


def _with_norms(experiment: Experiment) -> Experiment:
    """Return the experiment with norms that suit its batch."""
    layers = experiment.model.backbone.modules()
    norm, why = choose_norm(
        experiment.batch,
        pretrained=experiment.loaded.weights is not None,
        batch_norms=any(isinstance(layer, nn.modules.batchnorm._BatchNorm) for layer in layers),
    )
    return experiment.changed(why, strategy=experiment.recipe.strategy.model_copy(update={"norm": norm}))


def _with_strategy(experiment: Experiment, ends: float | None) -> Experiment:
    """Return the experiment with the preset that suits it, under what its recipe says itself."""
    everything = _laid_under(experiment, {"unfreeze": {"kind": "all"}})
    in_time = None
    if ends is not None:
        in_time = epochs_in(experiment.changed("", strategy=everything), ends - time.monotonic())
    counts = Counter(experiment.strata())
    situation = Situation(
        per_class=sum(counts.values()) / max(len(counts), 1),
        shift=shift(experiment.model, _some_images(experiment)),
        epochs_in_time=in_time,
        pretrained=experiment.loaded.weights is not None,
    )
    name, why = choose(situation)
    preset = experiment.plugins.find(StrategySpec, f"core:{name}")
    return experiment.changed(f"strategy {why}", strategy=_laid_under(experiment, preset.recipe))


def _laid_under(experiment: Experiment, preset: Mapping[str, Any]) -> Strategy:
    """Return the recipe's strategy with the values of `preset` where nobody wrote others."""
    values = plain(experiment.recipe.strategy)
    origins = experiment.resolved.origins
    for path, value in leaves(preset):
        origin = origins.get(".".join(("strategy", *path)), "default")
        if origin == "default" or origin.startswith("preset ") or path[0] == "unfreeze":
            _put(values, path, value)
    values.pop("preset", None)
    return Strategy.model_validate(values)


def _put(values: dict[str, Any], path: tuple[str, ...], value: Any) -> None:
    for key in path[:-1]:
        values = values.setdefault(key, {})
    if path[-1] == "kind":
        values.clear()
    values[path[-1]] = value


def _with_epochs(experiment: Experiment, ends: float) -> Experiment:
    train = experiment.recipe.train
    left = max(0.0, ends - time.monotonic())
    epochs = epochs_in(experiment, left)
    why = f"a schedule over {left:.0f} s, what {train.budget} leave for training: about {epochs} epochs here"
    return experiment.changed(why, train=train.model_copy(update={"epochs": epochs}))


def _some_images(experiment: Experiment) -> Iterator[Tensor]:
    loader, _ = experiment.train_loader()
    for batch in islice(loader, _BATCHES_SEEN):
        images = batch.images.frames if isinstance(batch.images, Sequences) else batch.images
        if isinstance(images, Tensor):
            yield images.to(experiment.device)
