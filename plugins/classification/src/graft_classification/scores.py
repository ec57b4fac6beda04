"""A prediction: one score per class. And what is decided from scores. Torch-free."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from graft_classification.options import TaskOptions


@dataclass(frozen=True, eq=False)
class Scores:
    """The prediction for one image.

    Args:
        scores: `(C,)` float32 in 0…1, in the order of the task's classes. Single-label: probabilities that add up to
            one. Multi-label: each class's own probability.
    """

    scores: NDArray[np.float32]


def stack(predictions: Sequence[Scores], n_classes: int) -> NDArray[np.float32]:
    """Return all scores, `(N, C)`."""
    return np.array([prediction.scores for prediction in predictions], dtype=np.float32).reshape(-1, n_classes)


def decide(scores: NDArray[np.float32], options: TaskOptions) -> NDArray[Any]:
    """Return what `(N, C)` scores say: class indices `(N,)`, or for multi-label a mask `(N, C)`."""
    if options.multi:
        # A score that is the threshold up to float32 counts: 0.3 in a recipe is not 0.3 in float32.
        return scores >= np.float32(options.threshold)
    return scores.argmax(axis=1)  # type: ignore[no-any-return]


def truth(targets: Sequence[Any], n_classes: int, options: TaskOptions) -> NDArray[Any]:
    """Return encoded targets in the same form as `decide`: class indices `(N,)`, or a mask `(N, C)`."""
    if options.multi:
        return np.array(targets, dtype=np.float32).reshape(-1, n_classes) > 0.5
    return np.array(targets, dtype=np.int64)


def members(labels: NDArray[Any], n_classes: int) -> NDArray[np.bool_]:
    """Return which image is of which class, `(N, C)`, from either form of `truth` and `decide`."""
    if labels.ndim == 2:
        return labels
    return labels[:, None] == np.arange(n_classes)  # type: ignore[no-any-return]
