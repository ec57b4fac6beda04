"""The metric contract: one row per sample, and a reduction over rows that intervals can resample."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from numpy.typing import NDArray


@dataclass(frozen=True)
class Value:
    """A measured value with its interval; the bounds are None where no interval was calculated."""

    value: float
    low: float | None = None
    high: float | None = None


class Metric(ABC):
    """One metric, or several that share their work. Built as `MetricClass(classes=(names…), options=task options)`.

    Splitting a metric into rows and a reduction makes a bootstrap over samples (or over groups of samples) possible
    without predicting again.
    """

    def __init__(self, *, classes: Sequence[str], options: Any) -> None:
        self.classes = tuple(classes)

    @abstractmethod
    def rows(self, predictions: Sequence[Any], targets: Sequence[Any]) -> NDArray[Any]:
        """Return what each sample contributes: `(N, …)`, of dtype object where contributions differ in shape."""

    @abstractmethod
    def compute(self, rows: NDArray[Any]) -> dict[str, float]:
        """Reduce rows to named values (`f1`, `f1.cat`); NaN where a value is not defined for these rows."""
