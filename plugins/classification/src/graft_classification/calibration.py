"""How far scores can be taken at their word. numpy alone."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Calibration:
    """Scores in bins of equal width over 0…1.

    Args:
        edges: `(B + 1,)`.
        counts: Scores in each bin, `(B,)`.
        promised: Their mean, `(B,)`; NaN in an empty bin.
        kept: The share of them that came true, `(B,)`; NaN in an empty bin.
        error: The expected calibration error: the mean of |kept - promised| over all scores, in 0…1.
    """

    edges: NDArray[np.float64]
    counts: NDArray[np.int64]
    promised: NDArray[np.float64]
    kept: NDArray[np.float64]
    error: float


def calibrate(scores: NDArray[np.float32], happened: NDArray[np.bool_], *, bins: int = 10) -> Calibration:
    """Compare scores in 0…1 `(N,)` with what happened, `(N,)`; N is at least 1."""
    edges = np.linspace(0, 1, bins + 1)
    place = np.minimum((scores.astype(np.float64) * bins).astype(np.int64), bins - 1)
    counts = np.bincount(place, minlength=bins)
    promised = np.full(bins, np.nan)
    kept = np.full(bins, np.nan)
    there = counts > 0
    np.divide(np.bincount(place, weights=scores, minlength=bins), counts, out=promised, where=there)
    np.divide(np.bincount(place, weights=happened, minlength=bins), counts, out=kept, where=there)
    gaps = np.abs(kept[there] - promised[there])
    return Calibration(edges, counts, promised, kept, float((gaps * counts[there]).sum() / len(scores)))
