"""COCO's metrics of detections, equal to `pycocotools`'. numpy alone.

A value is NaN where nothing counts: no object of that class, or of that size, is in these images.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from graft.evaluation import Metric
from graft_detection.detections import Detections, Truth
from graft_detection.evaluation.curves import Curves, Ordered
from graft_detection.evaluation.matching import MOST, THRESHOLDS, match

_AT_50, _AT_75 = (int(np.flatnonzero(np.isclose(THRESHOLDS, value))[0]) for value in (0.5, 0.75))
_SIZES = ("small", "medium", "large")


@dataclass(frozen=True)
class Row:
    """One image of those that were matched together."""

    curves: Curves
    image: int


class CocoMetrics(Metric):
    """Average precision and average recall.

    `map`: the mean over classes, over overlaps from 0.5 to 0.95, and over 101 recalls, of the precision; `map50` and
    `map75` at one overlap; `map_small`, `map_medium`, `map_large` of objects below 32², up to 96², and above that many
    square pixels. `ar1`, `ar10`, `ar100`: the share of objects that are found by so many detections per class and
    image, over the same overlaps; `ar_small` … of one size. `map.<class>` and `map50.<class>` of one class.

    A row stands for an image whose detections were matched; a resample counts each image as often as it was drawn.
    """

    def rows(self, predictions: Sequence[Detections], targets: Sequence[Truth]) -> NDArray[Any]:
        """Return one row per image."""
        curves = Curves(match(predictions, targets), len(self.classes))
        rows = np.empty(len(targets), dtype=object)
        rows[:] = [Row(curves, image) for image in range(len(targets))]
        return rows

    def compute(self, rows: NDArray[Any]) -> dict[str, float]:
        """Return the values of these images, which were matched together."""
        curves: Curves = rows[0].curves
        weights = np.bincount([row.image for row in rows], minlength=curves.matches.images)
        labels = range(len(self.classes))
        every = [curves.ordered["all", label].precision(weights) for label in labels]
        values = {
            "map": _mean(every),
            "map50": _mean([_at(own, _AT_50) for own in every]),
            "map75": _mean([_at(own, _AT_75) for own in every]),
        }
        for size in _SIZES:
            values[f"map_{size}"] = _mean([curves.ordered[size, label].precision(weights) for label in labels])
        for most in (1, 10, MOST):
            chosen: list[Ordered] = [
                curves.ordered["all", label] if most == MOST else curves.few[most, label] for label in labels
            ]
            values[f"ar{most}"] = _mean([own.recall(weights) for own in chosen])
        for size in _SIZES:
            values[f"ar_{size}"] = _mean([curves.ordered[size, label].recall(weights) for label in labels])
        for name, own in zip(self.classes, every, strict=True):
            values[f"map.{name}"] = _mean([own])
            values[f"map50.{name}"] = _mean([_at(own, _AT_50)])
        return values


def _at(values: NDArray[np.float64] | None, threshold: int) -> NDArray[np.float64] | None:
    return None if values is None else values[threshold]


def _mean(parts: Sequence[NDArray[np.float64] | None]) -> float:
    """The mean over the classes that have objects; all have as many values."""
    there = [part for part in parts if part is not None]
    return float(np.mean(there)) if there else float("nan")
