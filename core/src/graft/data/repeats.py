"""From how often samples come on average to how often they come in one epoch. Torch-free."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def whole_repeats(expected: NDArray[np.float64], draws: np.random.Generator) -> NDArray[np.int64]:
    """Draw whole numbers that are `expected` on average: each is that rounded down or up, and their sum is constant.

    Systematic sampling: the fractions are laid end to end, and every point of a grid of step 1, which begins at random,
    adds one to the sample that it falls on. Samples lie in random order, those of the same expectation together, so
    that together too they come as often as expected, rounded down or up.

    Args:
        expected: `(N,)`; the sum of what is returned is their sum, rounded.
        draws: Is drawn from.
    """
    base = np.floor(expected)
    fractions = _with_sum(expected - base, round(expected.sum()) - base.sum())
    order = draws.permutation(len(expected))
    order = order[np.argsort(expected[order], kind="stable")]
    # Rounded, so that the last one is exactly the sum. The offset has few digits, so that adding it rounds nothing off.
    ends = np.cumsum(fractions[order]).round(9)
    hits = np.diff(np.floor(ends + draws.random(dtype=np.float32)), prepend=0.0)
    times = base.astype(np.int64)
    times[order] += hits.astype(np.int64)
    return times


def _with_sum(fractions: NDArray[np.float64], total: float) -> NDArray[np.float64]:
    """Return `fractions` scaled to the sum `total`, which is one of the two whole numbers next to theirs.

    Scaled down, or their distances from 1 are; so all stay in 0 … 1, and what is 0 stays 0.
    """
    present = float(fractions.sum())
    if total < present:
        return fractions * (total / present)
    some = fractions > 0
    missing = np.where(some, 1 - fractions, 0.0)
    short = float(missing.sum())
    return fractions + missing * ((total - present) / short) if short else fractions
