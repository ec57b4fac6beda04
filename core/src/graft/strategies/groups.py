"""The parameters of a model in named groups: `stem`, `stage1` …, `tail`, `head`.

All of them are in the optimizer from the first step to the last. What is frozen has no gradient, and an optimizer skips
what has none: no step, no weight decay, no drift of momentum.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from torch import nn

from graft.model import Model
from graft.recipe.schema import Pace

TAIL = "tail"
HEAD = "head"


def units(model: Model) -> dict[str, nn.Module]:
    """Return the parts that freeze and learn as one, by name, from input to output.

    They are the backbone's stages under their own names, `tail` (its layers behind the last stage) and `head`.
    """
    names = [stage.name for stage in model.backbone.info.stages]
    return {**dict(zip(names, model.backbone.stages, strict=True)), TAIL: model.backbone.tail, HEAD: model.head}


def learning_rates(pace: Pace, names: Iterable[str]) -> dict[str, float]:
    """Return the absolute learning rate of each group: the base rate times the group's factor."""
    return {name: pace.lr * (pace.head if name == HEAD else 1.0) for name in names}


def parameter_groups(model: Model, *, rates: Mapping[str, float], weight_decay: float) -> list[dict[str, Any]]:
    """Return an optimizer's parameter groups: every parameter in exactly one.

    Each has a `unit`, and is split in two: weights, which decay, and norms and biases (all that has one dimension),
    which do not. `peak` is the learning rate that a schedule's factor multiplies.

    Args:
        model: Its parameters, frozen ones included.
        rates: Learning rate of each unit.
        weight_decay: Of those that decay.

    Raises:
        ValueError: When a parameter of the model belongs to no unit: the optimizer would never see it.
    """
    groups: list[dict[str, Any]] = []
    placed: set[int] = set()
    for unit, module in units(model).items():
        own = [parameter for parameter in module.parameters() if id(parameter) not in placed]
        placed.update(map(id, own))
        for flat, decay in ((False, weight_decay), (True, 0.0)):
            chosen = [parameter for parameter in own if (parameter.ndim <= 1) is flat]
            if chosen:
                rate = rates[unit]
                groups.append({"params": chosen, "unit": unit, "lr": rate, "peak": rate, "weight_decay": decay})
    stray = [name for name, parameter in model.named_parameters() if id(parameter) not in placed]
    if stray:
        raise ValueError(f"parameters outside the backbone's stages, its tail and the head: {', '.join(stray)}")
    return groups
