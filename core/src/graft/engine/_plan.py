"""What will happen, said before it happens."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from torch import nn

from graft.console import Console
from graft.engine._setup import Experiment
from graft.runs.folder import Run
from graft.strategies import unfreeze
from graft.strategies.groups import learning_rates, units


def say_plan(experiment: Experiment, console: Console) -> None:
    """Say which model will be trained, from which weights, and how."""
    console.say("Model", _model(experiment))
    console.say("Plan", _plan(experiment))
    if not experiment.prepared.split["val"] and not experiment.resolved.head.fitted:
        console.warn("no validation split: the last epoch's weights are kept, and training never stops early")


def say_chosen(experiment: Experiment, run: Run, chosen: Mapping[str, Any], console: Console) -> None:
    """Say what the head chose or took, and write it down beside the run's other choices."""
    if not chosen:
        return
    words = ", ".join(f"{name} {_text(value)}" for name, value in chosen.items())
    choice = f"head {experiment.resolved.head.name}: {words}"
    console.say("Choice", choice)
    if choice not in run.choices:
        run.amend(experiment.resolved.to_toml(), [*run.choices, choice])


def _text(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def _model(experiment: Experiment) -> str:
    loaded = experiment.loaded
    parts = [f"{loaded.source}:{loaded.arch}", f"{_count(experiment.model.parameters())} parameters"]
    if loaded.weights is None:
        parts.append("random weights")
    else:
        parts.append(f"weights {loaded.weights.name} (licence {loaded.weights.licence or 'not recorded'})")
    if loaded.report is not None:
        parts.append(str(loaded.report))
    height, width = experiment.store.preprocess.size
    parts.append(f"input {height} × {width}")
    return " · ".join(parts)


def _plan(experiment: Experiment) -> str:
    recipe, strategy = experiment.recipe, experiment.recipe.strategy
    if experiment.resolved.head.fitted:
        images = f"{len(experiment.prepared.split['train'])} images, described once in batches of {recipe.train.batch}"
        return f"fit {experiment.resolved.head.name} at once to {images} · {experiment.device}, {experiment.precision}"
    parts = units(experiment.model)
    phases = unfreeze.phases(strategy.unfreeze, list(parts), recipe.train.epochs)
    frozen = phases[0][1]
    trained = [name for name in parts if name not in frozen]
    rates = learning_rates(strategy.pace, list(parts))
    weights = _count(parameter for name in trained for parameter in parts[name].parameters())
    what = _named(parts, frozen)
    thaws = [f"from epoch {epoch + 1} {_named(parts, still)}" for epoch, still in phases[1:]]
    if recipe.train.budget is not None:
        how_long = f"{recipe.train.budget}, about {recipe.train.epochs} epochs"
    else:
        how_long = f"{recipe.train.epochs} epochs"
    batch = f"batch {recipe.train.batch}"
    if recipe.train.accumulate > 1:
        batch += f" × {recipe.train.accumulate}"
    if (devices := max(recipe.train.devices, experiment.shard.count)) > 1:
        batch = f"{devices} devices × {batch}"
    rate = f"lr {rates['head']:.1e} for the head"
    ever = {name for _, still in phases for name in parts if name not in still and name != "head"}
    if backbone := {rates[name] for name in ever}:
        low, high = f"{min(backbone):.1e}", f"{max(backbone):.1e}"
        rate += f", {high} for the backbone" if low == high else f", {low} … {high} for the backbone"
    return " · ".join(
        [
            "; ".join([f"train {what} ({weights} parameters)", *thaws]),
            f"{how_long}, {batch}",
            f"{strategy.pace.optimizer.kind}, {strategy.pace.schedule.kind}, {rate}",
            f"{experiment.device}, {experiment.precision}",
        ]
    )


def _named(parts: Iterable[str], frozen: frozenset[str]) -> str:
    """Return what trains, in few words."""
    return ", ".join(name for name in parts if name not in frozen) if frozen else "everything"


def _count(parameters: Iterable[nn.Parameter]) -> str:
    number = sum(parameter.numel() for parameter in parameters)
    if number < 10_000:
        return f"{number:,}"
    return f"{number / 1e6:.1f} M" if number >= 1e6 else f"{number / 1e3:.0f} k"
