"""Choosing among values by cross-validation on the training images alone."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from graft_classification.classical.family import Labels
from graft_classification.metrics import BalancedAccuracy
from graft_classification.options import TaskOptions
from graft_classification.scores import members

Fold = tuple[NDArray[np.int64], NDArray[np.int64]]


def divided(y: Labels, n_classes: int, *, groups: Sequence[str] | None, folds: int, seed: int) -> list[Fold]:
    """Return the indices of the images to learn from and of those that are left out, for each fold.

    Folds keep the shares of the classes (for multi-label, of each image's rarest label), and groups together.

    Args:
        y: What is true.
        n_classes: C.
        groups: The group of each image, `(N,)`.
        folds: How many; fewer where the largest class has fewer images, or there are fewer groups.
        seed: Of the division.

    Returns:
        No fold where there is nothing to divide.
    """
    from sklearn.model_selection import StratifiedGroupKFold, StratifiedKFold

    words = rarest(members(y, n_classes))
    most = int(np.bincount(words).max(initial=0))
    number = min(folds, most, len(words) if groups is None else len(set(groups)))
    if number < 2:
        return []
    divider = (StratifiedKFold if groups is None else StratifiedGroupKFold)(
        number, shuffle=True, random_state=seed % 2**32
    )
    with warnings.catch_warnings():
        # Of classes with fewer images than folds, which are meant to be spread as far as they go.
        warnings.simplefilter("ignore", UserWarning)
        parts = list(divider.split(np.zeros(len(words)), words, groups))
    return [(train, test) for train, test in parts if len(train) and len(test)]


def rarest(shown: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Return the class of each image that fewest others show, `(N,)`; C where an image shows none."""
    counts = np.where(shown, shown.sum(axis=0), len(shown) + 1)
    found: NDArray[np.int64] = np.where(shown.any(axis=1), counts.argmin(axis=1), shown.shape[1])
    return found


def balanced_accuracy(y: Labels, decided: Labels, classes: Sequence[str], *, multi: bool) -> float:
    """Return how good decisions are, as the task's own `balanced_accuracy` measures it."""
    metric = BalancedAccuracy(classes=classes, options=TaskOptions(labels="multi" if multi else "single"))
    rows: NDArray[Any] = np.stack([y, decided], axis=1)
    return metric.compute(rows)["balanced_accuracy"]
