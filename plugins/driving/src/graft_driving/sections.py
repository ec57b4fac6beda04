"""The domain's part of the report: the classes that somebody's safety hangs on first, and objects by distance."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from graft.report.sections import Section, Table
from graft_detection.detections import Detections
from graft_detection.evaluation.curves import Curves
from graft_driving.classes import safety_first
from graft_driving.distance import FAR, NAMES, NEAR, curves_of, precision
from graft_segmentation.confusion import confusion, hits, intersection_over_union
from graft_segmentation.target import Segmented


def sections(classes: Sequence[str], predictions: Sequence[Any], targets: Sequence[Any]) -> list[Section]:
    """Return the sections on predictions of masks or of boxes; none on others, or without any class at risk."""
    if not predictions:
        return []
    if isinstance(predictions[0], Segmented):
        return _masks(classes, predictions, targets)
    if isinstance(predictions[0], Detections):
        return _boxes(classes, curves_of(predictions, targets, len(classes)))
    return []


def _masks(classes: Sequence[str], predictions: Sequence[Any], targets: Sequence[Any]) -> list[Section]:
    both = zip(predictions, targets, strict=True)
    counts = np.sum([confusion(p.mask, t.mask, len(classes)) for p, t in both], axis=0)
    overlap = intersection_over_union(counts)
    found, _, true = hits(counts)
    order = [index for index, at_risk in safety_first(classes) if at_risk]
    if not order:
        return []
    rows = [
        (classes[i], float(overlap[i]), float(1 - found[i] / true[i]) if true[i] else None, int(true[i])) for i in order
    ]
    return [
        Section(
            title="Classes that safety hangs on",
            how_to_read="People first, then those on two wheels, what rules traffic, other vehicles, and where one may "
            "drive or walk. Missed is the share of a class's pixels that are taken for something else.",
            parts=[Table(columns=("class", "IoU", "missed", "pixels"), rows=rows)],
        )
    ]


def _boxes(classes: Sequence[str], curves: Curves) -> list[Section]:
    weights = np.ones(curves.matches.images, np.int64)
    rows: list[tuple[str | float | int | None, ...]] = []
    for label, _ in safety_first(classes):
        rows.append((classes[label], *_cells(curves, [label], weights)))
    rows.append(("all", *_cells(curves, list(range(len(classes))), weights)))
    return [
        Section(
            title="How far away objects are found",
            how_to_read="Average precision at an overlap of a half, and how many objects there are, by how high an "
            f"object's box is: near is higher than 1/{round(1 / NEAR)} of the image, far is lower than "
            f"1/{round(1 / FAR)}. People first.",
            parts=[Table(columns=("class", *(c for name in NAMES for c in (name, f"{name}, objects"))), rows=rows)],
        )
    ]


def _cells(curves: Curves, labels: Sequence[int], weights: Any) -> list[float | int | None]:
    cells: list[float | int | None] = []
    for name in NAMES:
        own = [curves.ordered[name, label] for label in labels]
        value = precision(own, weights)[1]
        cells += [None if np.isnan(value) else value, sum(one.positives(weights) for one in own)]
    return cells
