"""What each way to unfreeze, each optimizer and each schedule takes: checked with the recipe, without torch."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, TypeVar

from pydantic import Field, PositiveFloat, PositiveInt

from graft.recipe.schema import Options, Part
from graft.recipe.values import Share, Text

Opts = TypeVar("Opts", bound=Options)

Stage = Text | int
"""A unit of the backbone by name, as in `stage3`, or counted from the last stage: -1, -2 …"""

Momentum = Annotated[float, Field(ge=0, lt=1)]


class From(Options):
    """Train a stage, everything behind it, and the head."""

    stage: Stage = -1
    """The first stage that trains: a name, or counted from the last one, which is -1."""


class Surgical(Options):
    """Train the stages that are named, and the head (Lee et al. 2023)."""

    stages: Annotated[tuple[Stage, ...], Field(min_length=1)] = (-1,)
    """Which ones: names, or counted from the last one, which is -1."""


class Gradual(Options):
    """Train the head first, then ever more stages from the last to the first (Howard & Ruder 2018)."""

    every: PositiveInt = 1
    """Epochs from one stage to the next."""


class HeadThenAll(Options):
    """Train the head first, then everything (LP-FT: Kumar et al. 2022)."""

    head: Annotated[float, Field(gt=0, lt=1)] = 0.3
    """Share of the epochs in which the head trains alone; at least one epoch."""


UNFREEZE: Mapping[str, type[Options]] = {
    "none": Options,
    "all": Options,
    "from": From,
    "surgical": Surgical,
    "gradual": Gradual,
    "head-then-all": HeadThenAll,
    "auto": Options,
}
"""The model of the keys beside `kind` in a recipe's `strategy.unfreeze`, by kind."""


class Adam(Options):
    """Adam and what was made of it."""

    betas: tuple[Momentum, Momentum] = (0.9, 0.999)
    """Weight of the past in the running means of the gradient and of its square."""
    eps: PositiveFloat = 1e-8
    """Added to the root of the latter."""


class Sgd(Options):
    """Gradient descent with momentum."""

    momentum: Momentum = 0.9
    """Weight of the past in the direction of the step."""
    nesterov: bool = True
    """Whether the gradient is corrected by looking ahead."""


class Lamb(Options):
    """Adam with a step per layer in proportion to its weights, for large batches (You et al. 2020)."""

    betas: tuple[Momentum, Momentum] = (0.9, 0.999)
    """Weight of the past in the running means of the gradient and of its square."""
    eps: PositiveFloat = 1e-6
    """Added to the root of the latter."""


class Lars(Options):
    """Gradient descent with a step per layer in proportion to its weights, for large batches (You et al. 2017)."""

    momentum: Momentum = 0.9
    """Weight of the past in the direction of the step."""
    trust: PositiveFloat = 0.001
    """Share of a layer's weights that a step may change."""


class Lion(Options):
    """Steps by the sign of the gradient; wants a learning rate several times smaller (Chen et al. 2023)."""

    betas: tuple[Momentum, Momentum] = (0.9, 0.99)
    """Weight of the past in the step, and in what is remembered for the next one."""


OPTIMIZERS: Mapping[str, type[Options]] = {
    "adamw": Adam,
    "adam": Adam,
    "radam": Adam,
    "sgd": Sgd,
    "lamb": Lamb,
    "lars": Lars,
    "lion": Lion,
}
"""The model of the keys beside `kind` in a recipe's `strategy.pace.optimizer`, by kind."""


class Step(Options):
    """Falls in steps."""

    at: Annotated[tuple[Annotated[float, Field(gt=0, lt=1)], ...], Field(min_length=1)] = (0.5, 0.75)
    """Shares of the training at which it falls."""
    factor: Annotated[float, Field(gt=0, lt=1)] = 0.1
    """What is left of the rate after each."""


class Exponential(Options):
    """Falls by the same factor in every step."""

    final: Annotated[float, Field(gt=0, le=1)] = 0.01
    """What is left of the rate at the end."""


class Cosine(Options):
    """Falls to zero along half a cosine (Loshchilov & Hutter 2017)."""

    cycles: PositiveInt = 1
    """How often it falls: at each restart the rate is whole again."""


class OneCycle(Options):
    """Rises from a low rate, then falls to almost none (Smith & Topin 2018)."""

    rise: Annotated[float, Field(gt=0, lt=1)] = 0.25
    """Share of the training in which it rises."""
    start: PositiveFloat = 25.0
    """The rate begins at the peak divided by this."""
    final: PositiveFloat = 1e5
    """The rate ends at the peak divided by this."""


class Cyclical(Options):
    """Rises and falls in straight lines, again and again (Smith 2017)."""

    cycles: PositiveInt = 3
    """How often."""
    low: Share = 0.1
    """The lowest rate, as a share of the peak."""


class Polynomial(Options):
    """Falls to zero along a power of what is left."""

    power: PositiveFloat = 0.9
    """1 is a straight line."""


class Plateau(Options):
    """Falls when the monitored value has not risen for some epochs."""

    patience: PositiveInt = 3
    """Epochs to wait."""
    factor: Annotated[float, Field(gt=0, lt=1)] = 0.3
    """What is left of the rate each time."""


SCHEDULES: Mapping[str, type[Options]] = {
    "constant": Options,
    "step": Step,
    "exponential": Exponential,
    "cosine": Cosine,
    "one-cycle": OneCycle,
    "triangular": Cyclical,
    "triangular2": Cyclical,
    "polynomial": Polynomial,
    "plateau": Plateau,
}
"""The model of the keys beside `kind` in a recipe's `strategy.pace.schedule`, by kind."""

CHOICES: Mapping[tuple[str, ...], tuple[str, Mapping[str, type[Options]]]] = {
    ("strategy", "unfreeze"): ("way to unfreeze", UNFREEZE),
    ("strategy", "pace", "optimizer"): ("optimizer", OPTIMIZERS),
    ("strategy", "pace", "schedule"): ("schedule", SCHEDULES),
}
"""The parts that core alone offers: where each stands in a recipe, what it is called, and the kinds that there are."""


def options_of(part: Part, model: type[Opts]) -> Opts:
    """Return the keys beside `kind` as the model that checked them in the recipe."""
    return model(**part.own)
