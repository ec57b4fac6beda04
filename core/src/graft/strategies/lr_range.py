"""The learning-rate range test: from the losses at rising rates to a rate to train with.

Smith, Cyclical learning rates for training neural networks, WACV 2017. Range, smoothing, the end and the suggestions
are those of fastai's `lr_find`, so that what is known about its suggestions holds for these.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

Numbers = Sequence[float]

LOWEST, HIGHEST = 1e-7, 10.0
LEAST_STEPS = 20
"""With fewer, too little is left between the beginning and the end."""

_PAST = 0.98
_BEYOND = 3.0
_END = 5
_LEAST_FALL = 0.01


def rising(steps: int) -> list[float]:
    """Return `steps` base learning rates from the lowest to the highest, each the same multiple of the one before."""
    return [LOWEST * (HIGHEST / LOWEST) ** (step / (steps - 1)) for step in range(steps)]


def smoothed(losses: Numbers) -> list[float]:
    """Return the exponentially weighted mean of the losses up to each step, without the bias of its beginning at 0."""
    mean, means = 0.0, []
    for count, loss in enumerate(losses, 1):
        mean = _PAST * mean + (1 - _PAST) * loss
        means.append(mean / (1 - _PAST**count))
    return means


def diverges(losses: Numbers, *, steps: int) -> bool:
    """Return whether the last loss is not finite, or the smoothed losses have risen to four times their lowest.

    Args:
        losses: Of the steps so far.
        steps: How many there will be. In the first tenth chance alone may do that, for a mean of few losses is none.
    """
    if not math.isfinite(losses[-1]):
        return True
    means = smoothed(losses)[steps // 10 :]
    # Written so that it also holds for a loss that goes below zero.
    return bool(means) and means[-1] > min(means) + _BEYOND * abs(min(means))


def suggestions(rates: Numbers, losses: Numbers, *, steps: int) -> dict[str, float]:
    """Return the rates that a test suggests, the one to try first before the others.

    `valley` is the middle of the longest fall of the smoothed loss, `steep` where that falls fastest, which chance
    alone may decide among the first rates. Both leave out the first tenth of the steps, where the mean is one of few
    losses, and the last five, where the loss rises. There is none when the rest does not fall by a hundredth.

    Args:
        rates: The base rate of each step.
        losses: Of the same steps.
        steps: How many there would have been.
    """
    finite = next((index for index, loss in enumerate(losses) if not math.isfinite(loss)), len(losses))
    looked_at = slice(steps // 10, min(finite, len(losses) - _END))
    rates, means = rates[looked_at], smoothed(losses)[looked_at]
    if len(means) < 2 or means[0] - min(means) < _LEAST_FALL * abs(means[0]):
        return {}
    return {"valley": valley(rates, means), "steep": steep(rates, means)}


def valley(rates: Numbers, losses: Numbers) -> float:
    """Return the rate in the middle of the longest fall, which is the longest subsequence of ever lower losses.

    What interrupts the fall is not counted: its middle is half its number of losses before its end.

    Args:
        rates: At least one.
        losses: Smoothed, one for each rate.
    """
    lengths = [1] * len(losses)
    for here in range(len(losses)):
        for before in range(here):
            if losses[here] < losses[before]:
                lengths[here] = max(lengths[here], lengths[before] + 1)
    longest = max(lengths)
    third = longest / 3
    return rates[max(lengths.index(longest) - longest + int(third) + int(third / 2), 0)]


def steep(rates: Numbers, losses: Numbers) -> float:
    """Return the rate at which the loss begins to fall fastest, over the logarithm of the rate.

    Args:
        rates: Rising, at least two.
        losses: Smoothed, one for each rate.
    """
    slopes = [
        (losses[index + 1] - losses[index]) / math.log(rates[index + 1] / rates[index])
        for index in range(len(rates) - 1)
    ]
    return rates[slopes.index(min(slopes))]
