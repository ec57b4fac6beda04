"""Learning rates over time: a factor between 0 and 1 that is a function of (step, total), and of nothing else."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping

from graft.recipe.schema import Pace


def _constant(share: float) -> float:
    return 1.0


def _cosine(share: float) -> float:
    return 0.5 * (1 + math.cos(math.pi * share))


SCHEDULES: Mapping[str, Callable[[float], float]] = {"constant": _constant, "cosine": _cosine}
"""The factor as a function of the share of the steps after the warm-up that are done, in [0, 1)."""


def factor(pace: Pace, step: int, total: int) -> float:
    """Return what the peak learning rates are multiplied by in one step.

    During the warm-up it rises linearly, so that its last step has the whole rate; then the schedule begins at 1.

    Args:
        pace: Its `warmup` is a share of `total`.
        step: Number of finished steps, 0 in the first.
        total: Steps of the whole training.
    """
    warm = round(pace.warmup * total)
    if step < warm:
        return (step + 1) / warm
    return SCHEDULES[pace.schedule]((step - warm) / max(1, total - warm))
