"""Learning rates over time: a factor that is a function of how far training is, and of nothing else.

How far is a share in [0, 1) of the steps, or of the time where a budget is set. `plateau` alone depends on what was
measured too, and that is part of a checkpoint. So a resumed run has the rates of an uninterrupted one.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence

from graft.recipe.schema import Pace, Part
from graft.strategies.options import Cosine, Cyclical, Exponential, OneCycle, Plateau, Polynomial, Step, options_of

Monitored = Sequence[float | None]
"""The monitored value after each epoch; larger is better, None where there was none."""

WARMUP = 0.05
"""Share of the steps, where the recipe does not say."""

_HAIR = 1e-12
"""Added to a share where a jump is near: rounding would otherwise put some of them off by a step."""

_BEGIN_LOW = ("one-cycle", "triangular", "triangular2")


def _constant(part: Part, share: float, monitored: Monitored) -> float:
    return 1.0


def _step(part: Part, share: float, monitored: Monitored) -> float:
    options = options_of(part, Step)
    falls = sum(share + _HAIR >= at for at in options.at)
    return math.pow(options.factor, falls)


def _exponential(part: Part, share: float, monitored: Monitored) -> float:
    return math.pow(options_of(part, Exponential).final, share)


def _cosine(part: Part, share: float, monitored: Monitored) -> float:
    return _fall((share + _HAIR) * options_of(part, Cosine).cycles % 1)


def _one_cycle(part: Part, share: float, monitored: Monitored) -> float:
    options = options_of(part, OneCycle)
    if share < options.rise:
        low, done = 1 / options.start, 1 - share / options.rise
    else:
        low, done = 1 / options.final, (share - options.rise) / (1 - options.rise)
    return low + (1 - low) * _fall(done)


def _triangular(part: Part, share: float, monitored: Monitored) -> float:
    options = options_of(part, Cyclical)
    return options.low + (1 - options.low) * _tent(share * options.cycles % 1)


def _triangular2(part: Part, share: float, monitored: Monitored) -> float:
    options = options_of(part, Cyclical)
    cycle, within = divmod(share * options.cycles, 1)
    return options.low + (1 - options.low) * _tent(within) / 2**cycle


def _polynomial(part: Part, share: float, monitored: Monitored) -> float:
    return math.pow(1 - share, options_of(part, Polynomial).power)


def _plateau(part: Part, share: float, monitored: Monitored) -> float:
    options = options_of(part, Plateau)
    best, since, factor = -math.inf, 0, 1.0
    for value in monitored:
        if value is not None and value > best:
            best, since = value, 0
        else:
            since += 1
        if since > options.patience:
            factor, since = factor * options.factor, 0
    return factor


def _fall(share: float) -> float:
    return 0.5 * (1 + math.cos(math.pi * share))


def _tent(share: float) -> float:
    return 1 - abs(1 - 2 * share)


KINDS: Mapping[str, Callable[[Part, float, Monitored], float]] = {
    "constant": _constant,
    "step": _step,
    "exponential": _exponential,
    "cosine": _cosine,
    "one-cycle": _one_cycle,
    "triangular": _triangular,
    "triangular2": _triangular2,
    "polynomial": _polynomial,
    "plateau": _plateau,
}
"""The factor, from the recipe's `schedule`, the share after the warm-up in [0, 1), and what was monitored."""


def factor(pace: Pace, share: float, *, step: float, monitored: Monitored = ()) -> float:
    """Return what the peak learning rates are multiplied by in one step.

    During the warm-up it rises linearly, so that its last step has the whole rate; then the schedule begins.

    Args:
        pace: Its `warmup` is a share of the whole training.
        share: How much of the training is done, in [0, 1): 0 in the first step.
        step: Share of the training that one step is.
        monitored: The monitored value after each finished epoch.
    """
    warm = pace.warmup
    if warm is None:
        warm = 0.0 if pace.schedule.kind in _BEGIN_LOW else WARMUP
    if share < warm - step / 2:
        return min(1.0, (share + step) / warm)
    rest = min(max(share - warm, 0.0) / (1 - warm), 1.0)
    return KINDS[pace.schedule.kind](pace.schedule, rest, monitored)
