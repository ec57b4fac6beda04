"""Metrics: a row for each image is what is predicted, and what is true."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from graft.evaluation import Metric


class _Pairs(Metric):
    def rows(self, predictions: Sequence[Any], targets: Sequence[Any]) -> NDArray[Any]:
        """Return predicted and true values, `(N, 2)`."""
        pairs = np.empty((len(targets), 2))
        pairs[:, 0], pairs[:, 1] = predictions, targets
        return pairs


class MeanAbsoluteError(_Pairs):
    """`regression_mae`, in the unit of the values. As an error it cannot be monitored: there, larger is better."""

    def compute(self, rows: NDArray[Any]) -> dict[str, float]:
        """Return the value."""
        return {"regression_mae": float(np.abs(rows[:, 0] - rows[:, 1]).mean()) if len(rows) else np.nan}


class R2(_Pairs):
    """`regression_r2`, the coefficient of determination. It is not defined where all that is true is one value."""

    def compute(self, rows: NDArray[Any]) -> dict[str, float]:
        """Return the value."""
        variance = np.square(rows[:, 1] - rows[:, 1].mean()).sum() if len(rows) else 0.0
        missed = np.square(rows[:, 0] - rows[:, 1]).sum()
        return {"regression_r2": float(1 - missed / variance) if variance > 0 else np.nan}
