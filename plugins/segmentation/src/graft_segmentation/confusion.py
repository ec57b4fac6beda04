"""What is taken for what, pixel by pixel, and what follows from it. Numpy alone."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from graft_segmentation.masks import IGNORE


def confusion(predicted: NDArray[np.uint8], true: NDArray[np.uint8], classes: int) -> NDArray[np.int64]:
    """Return how often each class is taken for each.

    Args:
        predicted: `(H, W)` of class numbers, or `(H, W, C)` of 0 and 1.
        true: Likewise, with `IGNORE`.
        classes: C.

    Returns:
        `(C, C)`, a row per true class; of `(H, W, C)` `(C, 2, 2)`, for each class whether it is true and predicted.
    """
    seen = true != IGNORE
    if true.ndim == 2:
        both = true[seen].astype(np.int64) * classes + predicted[seen]
        return np.bincount(both, minlength=classes * classes).reshape(classes, classes)
    per_class = []
    for number in range(classes):
        own = seen[..., number]
        both = true[..., number][own].astype(np.int64) * 2 + predicted[..., number][own]
        per_class.append(np.bincount(both, minlength=4).reshape(2, 2))
    return np.stack(per_class)


def hits(counts: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """Return pixels of each class that are found, that are predicted, and that are true, `(C,)` each."""
    if counts.ndim == 3:
        return counts[:, 1, 1], counts[:, :, 1].sum(axis=1), counts[:, 1, :].sum(axis=1)
    return np.diagonal(counts), counts.sum(axis=0), counts.sum(axis=1)


def intersection_over_union(counts: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return the overlap of each class `(C,)`, NaN where it is neither true nor predicted anywhere."""
    found, predicted, true = hits(counts)
    return _ratio(found, predicted + true - found)


def dice(counts: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return Dice's coefficient of each class `(C,)`, NaN where it is neither true nor predicted anywhere."""
    found, predicted, true = hits(counts)
    return _ratio(2 * found, predicted + true)


def right(counts: NDArray[np.int64]) -> tuple[int, int]:
    """Return how many decisions are right, and of how many."""
    if counts.ndim == 3:
        return int(counts[:, 0, 0].sum() + counts[:, 1, 1].sum()), int(counts.sum())
    return int(np.trace(counts)), int(counts.sum())


def _ratio(part: NDArray[np.int64], whole: NDArray[np.int64]) -> NDArray[np.float64]:
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(whole > 0, part / whole, np.nan)
