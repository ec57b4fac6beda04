"""Metrics. A row is what one image's pixels come to; overlaps are of all pixels of all images together."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from graft.evaluation import Metric
from graft_segmentation.boundary import boundary_f1
from graft_segmentation.confusion import confusion, dice, intersection_over_union, right
from graft_segmentation.options import TaskOptions
from graft_segmentation.target import MaskTarget, Segmented


class _Confusions(Metric):
    """What the metrics of confusions share: rows `(N, C, C)`, or `(N, C, 2, 2)` for multi-label."""

    def rows(self, predictions: Sequence[Segmented], targets: Sequence[MaskTarget]) -> NDArray[np.int64]:
        """Return what is taken for what in each image."""
        both = zip(predictions, targets, strict=True)
        return np.stack([confusion(p.mask, t.mask, len(self.classes)) for p, t in both])

    def named(self, name: str, values: NDArray[np.float64]) -> dict[str, float]:
        """Return the mean over the classes that are defined, and each class's value."""
        mean = float(np.nanmean(values)) if not np.isnan(values).all() else float("nan")
        return {name: mean, **{f"{name}.{c}": float(v) for c, v in zip(self.classes, values, strict=True)}}


class Iou(_Confusions):
    """Intersection over union (Jaccard 1901; Everingham et al. 2010): the mean over classes, and per class."""

    def compute(self, rows: NDArray[Any]) -> dict[str, float]:
        """Return `iou` and `iou.<class>`."""
        return self.named("iou", intersection_over_union(rows.sum(axis=0)))


class Dice(_Confusions):
    """Dice's coefficient (Dice 1945), which is F1 of pixels: the mean over classes, and per class."""

    def compute(self, rows: NDArray[Any]) -> dict[str, float]:
        """Return `dice` and `dice.<class>`."""
        return self.named("dice", dice(rows.sum(axis=0)))


class PixelAccuracy(_Confusions):
    """Share of pixels that are right; for multi-label of pixels and classes."""

    def compute(self, rows: NDArray[Any]) -> dict[str, float]:
        """Return `pixel_accuracy`."""
        found, of = right(rows.sum(axis=0))
        return {"pixel_accuracy": found / of if of else float("nan")}


class BoundaryF1(Metric):
    """F1 of boundary pixels (Csurka et al. 2013): the mean over classes, and per class.

    A boundary pixel counts as right when one of the other's boundary is within `task.boundary` pixels. Each image has a
    value for each class that it shows or that is predicted in it, and the class's value is their mean.
    """

    def __init__(self, *, classes: Sequence[str], options: TaskOptions) -> None:
        super().__init__(classes=classes, options=options)
        self.tolerance = options.boundary

    def rows(self, predictions: Sequence[Segmented], targets: Sequence[MaskTarget]) -> NDArray[np.float64]:
        """Return the score of each class in each image, `(N, C)`, NaN where it has no boundary."""
        both = zip(predictions, targets, strict=True)
        return np.stack([boundary_f1(p.mask, t.mask, len(self.classes), self.tolerance) for p, t in both])

    def compute(self, rows: NDArray[Any]) -> dict[str, float]:
        """Return `boundary_f1` and `boundary_f1.<class>`."""
        there = ~np.isnan(rows)
        number = there.sum(axis=0)
        values = np.where(number > 0, np.where(there, rows, 0).sum(axis=0) / np.maximum(number, 1), np.nan)
        mean = float(np.nanmean(values)) if number.any() else float("nan")
        per_class = {f"boundary_f1.{c}": float(v) for c, v in zip(self.classes, values, strict=True)}
        return {"boundary_f1": mean, **per_class}
