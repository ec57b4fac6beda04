"""Grades: classes that are in an order."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from graft.errors import RecipeError
from graft.evaluation import Metric


class QuadraticKappa(Metric):
    """`quadratic_kappa`: Cohen's kappa with quadratic weights (Cohen 1968), the classes in their order.

    Raises:
        RecipeError: With labels of which an image may have several: these are no grades.
    """

    def __init__(self, *, classes: Sequence[str], options: Any) -> None:
        super().__init__(classes=classes, options=options)
        if options.labels == "multi":
            raise RecipeError("quadratic_kappa is of one grade for each image, and task.labels is 'multi'")

    def rows(self, predictions: Sequence[Any], targets: Sequence[Any]) -> NDArray[Any]:
        """Return predicted and true grades, `(N, 2)`."""
        said = [prediction.scores.argmax() for prediction in predictions]
        return np.stack([np.asarray(said, np.int64), np.asarray(targets, np.int64)], axis=1)

    def compute(self, rows: NDArray[Any]) -> dict[str, float]:
        """Return the value; NaN where all is of one grade."""
        count = len(self.classes)
        shares = np.bincount(rows[:, 0] * count + rows[:, 1], minlength=count**2).reshape(count, count) / len(rows)
        weights = np.square(np.subtract.outer(np.arange(count), np.arange(count)))
        by_chance = float((weights * np.outer(shares.sum(axis=1), shares.sum(axis=0))).sum())
        return {"quadratic_kappa": 1 - float((weights * shares).sum()) / by_chance if by_chance else np.nan}
