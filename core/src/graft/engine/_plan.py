"""What will happen, said before it happens."""

from __future__ import annotations

from collections.abc import Iterable

from torch import nn

from graft.console import Console
from graft.engine._setup import Experiment
from graft.strategies import unfreeze
from graft.strategies.groups import learning_rates, units


def say_plan(experiment: Experiment, console: Console) -> None:
    """Say which model will be trained, from which weights, and how."""
    console.say("Model", _model(experiment))
    console.say("Plan", _plan(experiment))
    if not experiment.prepared.split["val"]:
        console.warn("no validation split: the last epoch's weights are kept, and training never stops early")


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
    parts = units(experiment.model)
    frozen = unfreeze.frozen(strategy.unfreeze, list(parts), 0)
    trained = [name for name in parts if name not in frozen]
    rates = learning_rates(strategy.pace, parts)
    weights = _count(parameter for name in trained for parameter in parts[name].parameters())
    what = "everything" if not frozen else ", ".join(trained)
    batch = f"batch {recipe.train.batch}"
    if recipe.train.accumulate > 1:
        batch += f" × {recipe.train.accumulate}"
    rate = f"lr {rates['head']:.1e} for the head"
    if backbone := {rates[name] for name in trained if name != "head"}:
        rate += f", {max(backbone):.1e} for the backbone"
    return " · ".join(
        [
            f"train {what} ({weights} parameters)",
            f"{recipe.train.epochs} epochs, {batch}",
            f"{strategy.pace.optimizer}, {strategy.pace.schedule}, {rate}",
            f"{experiment.device}, {experiment.precision}",
        ]
    )


def _count(parameters: Iterable[nn.Parameter]) -> str:
    number = sum(parameter.numel() for parameter in parameters)
    if number < 10_000:
        return f"{number:,}"
    return f"{number / 1e6:.1f} M" if number >= 1e6 else f"{number / 1e3:.0f} k"
