"""The parameters of a model in named groups: `stem`, `stage1` …, `tail`, `head`.

All of them are in the optimizer from the first step to the last. What is frozen has no gradient, and an optimizer skips
what has none: no step, no weight decay, no drift of momentum.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from torch import nn

from graft.errors import Problem, RecipeError, did_you_mean
from graft.model import Model
from graft.recipe.schema import Pace, Regularise

TAIL = "tail"
HEAD = "head"


def units(model: Model) -> dict[str, nn.Module]:
    """Return the parts that freeze and learn as one, by name, from input to output.

    They are the backbone's stages under their own names, `tail` (its layers behind the last stage) and `head`.
    """
    names = [stage.name for stage in model.backbone.info.stages]
    return {**dict(zip(names, model.backbone.stages, strict=True)), TAIL: model.backbone.tail, HEAD: model.head}


def learning_rates(pace: Pace, names: Sequence[str]) -> dict[str, float]:
    """Return the absolute learning rate of each unit, from input to output.

    The last stage and the tail have the base rate, each stage before them `layer_decay` times the rate of the one
    behind it, the head `head` times the base rate; what `rates` names has the rate that stands there.

    Raises:
        RecipeError: When `rates` names a unit that there is not.
    """
    problems = [
        Problem(f"strategy.pace.rates.{name}", f"no unit '{name}', but {', '.join(names)}", did_you_mean(name, names))
        for name in pace.rates
        if name not in names
    ]
    if problems:
        raise RecipeError("The rates do not fit the network", problems=problems)
    stages = [name for name in names if name not in (TAIL, HEAD)]
    rates = {name: pace.lr * pace.layer_decay ** (len(stages) - 1 - depth) for depth, name in enumerate(stages)}
    return {**rates, TAIL: pace.lr, HEAD: pace.lr * pace.head, **pace.rates}


def parameter_groups(model: Model, *, rates: Mapping[str, float], regularise: Regularise) -> list[dict[str, Any]]:
    """Return an optimizer's parameter groups: every parameter in exactly one.

    Each has a `unit`, and is split in two: weights, which decay, and norms and biases (all that has one dimension),
    which do not. `peak` is the learning rate that a schedule's factor multiplies. With `l2_sp` the weights of the
    backbone decay towards the pretrained ones instead of towards zero, and the optimizer is told of no decay.

    Args:
        model: Its parameters, frozen ones included.
        rates: Learning rate of each unit.
        regularise: Its `weight_decay` and `l2_sp`.

    Raises:
        ValueError: When a parameter of the model belongs to no unit: the optimizer would never see it.
    """
    groups: list[dict[str, Any]] = []
    placed: set[int] = set()
    for unit, module in units(model).items():
        own = [parameter for parameter in module.parameters() if id(parameter) not in placed]
        placed.update(map(id, own))
        decay = 0.0 if regularise.l2_sp and unit != HEAD else regularise.weight_decay
        for flat in (False, True):
            chosen = [parameter for parameter in own if (parameter.ndim <= 1) is flat]
            if chosen:
                rate = rates[unit]
                group = {"params": chosen, "unit": unit, "lr": rate, "peak": rate}
                groups.append({**group, "weight_decay": 0.0 if flat else decay})
    stray = [name for name, parameter in model.named_parameters() if id(parameter) not in placed]
    if stray:
        raise ValueError(f"parameters outside the backbone's stages, its tail and the head: {', '.join(stray)}")
    return groups
