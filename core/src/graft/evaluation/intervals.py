"""The percentile bootstrap: which samples each resample draws, and the interval of what was measured on them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

LEVEL = 0.95
FEWEST = 5
"""Fewer samples or groups than these have no interval: one drawn from two or three says how alike these are, and far
too little of how far others may lie off."""


def resamples(n: int, *, count: int, seed: int, groups: Sequence[str] | None = None) -> Iterator[NDArray[np.int64]]:
    """Yield `count` arrays of sample indices, drawn with replacement.

    With `groups`, whole groups are drawn, as many as there are: samples of one patient or scene are no independent
    evidence. The arrays then differ in length.

    Args:
        n: Number of samples.
        count: Number of resamples.
        seed: Same seed, same resamples.
        groups: The group of each sample, `(n,)`.
    """
    generator = np.random.default_rng(seed)
    if groups is None:
        for _ in range(count):
            yield generator.integers(n, size=n)
        return
    first: dict[str, int] = {}
    # By first appearance: what groups are called makes no difference.
    numbers = np.array([first.setdefault(group, len(first)) for group in groups])
    sizes = np.bincount(numbers)
    members = np.split(np.argsort(numbers, kind="stable"), np.cumsum(sizes)[:-1])
    for _ in range(count):
        yield np.concatenate([members[number] for number in generator.integers(len(members), size=len(members))])


def percentile_interval(values: ArrayLike, *, level: float = LEVEL) -> tuple[float, float] | None:
    """Return the bounds that hold the middle `level` of the values.

    NaN stands for a resample on which the value is not defined (a class was not drawn). None when that is so for more
    than half of them, or when there are no values: what is left would not speak for the whole.
    """
    all_values = np.asarray(values, dtype=np.float64)
    defined = all_values[~np.isnan(all_values)]
    if len(defined) == 0 or 2 * len(defined) < len(all_values):
        return None
    tail = 100 * (1 - level) / 2
    low, high = np.percentile(defined, [tail, 100 - tail])
    return float(low), float(high)
