"""The task's part of the report: values per class, precision over recall, kinds of mistakes."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from graft.report.sections import Figure, Section, Table
from graft_detection import figures
from graft_detection.detections import Detections, Truth
from graft_detection.evaluation.curves import Curves
from graft_detection.evaluation.kinds import KINDS, kinds
from graft_detection.evaluation.matching import match

MOST_CURVES = 12
"""Classes whose curves are drawn, those with most objects."""


def sections(
    predictions: Sequence[Detections], targets: Sequence[Truth], *, classes: Sequence[str], threshold: float
) -> list[Section]:
    """Return the sections on these predictions; none when there are no predictions."""
    if not len(predictions):
        return []
    curves = Curves(match(predictions, targets), len(classes))
    return [
        per_class(curves, classes),
        precision_over_recall(curves, classes),
        mistakes(predictions, targets, classes=classes, threshold=threshold),
    ]


def per_class(curves: Curves, classes: Sequence[str]) -> Section:
    """Return a table with a row per class, the weakest first; a value is missing where there is no object."""
    weights = np.ones(curves.matches.images, np.int64)
    rows: list[tuple[str, int, int, float | None, float | None, float | None]] = []
    for label, name in enumerate(classes):
        own = curves.ordered["all", label]
        precision, recall = own.precision(weights), own.recall(weights)
        detected = int((curves.matches.label == label).sum())
        if precision is None or recall is None:
            rows.append((name, 0, detected, None, None, None))
            continue
        values = float(precision.mean()), float(precision[0].mean()), float(recall.mean())
        rows.append((name, own.positives(weights), detected, *values))
    rows.sort(key=lambda row: (row[3] is None, row[3], row[0]))
    return Section(
        title="Per class",
        how_to_read="The weakest classes come first. AP is the mean precision over all recalls and over overlaps from "
        "0.5 to 0.95, AP50 at an overlap of 0.5; AR is the share of objects that is found at all. A gap means that "
        "there was no object.",
        parts=[Table(columns=("class", "objects", "detections", "AP", "AP50", "AR"), rows=rows)],
    )


def precision_over_recall(curves: Curves, classes: Sequence[str]) -> Section:
    """Return the curves at an overlap of 0.5, of the classes with most objects."""
    weights = np.ones(curves.matches.images, np.int64)
    found = {name: curves.ordered["all", label] for label, name in enumerate(classes)}
    most = sorted((name for name in found if found[name].positives(weights)), key=lambda n: -len(found[n].true))
    shown = {}
    for name in most[:MOST_CURVES]:
        values = found[name].precision(weights)
        if values is not None:
            shown[name] = values[0]
    alt = "Precision over recall at an overlap of 0.5: " + ", ".join(
        f"{name} {values.mean():.2f}" for name, values in shown.items()
    )
    of = f" of the {len(shown)} classes with most objects, of {len(most)}" if len(most) > len(shown) else ""
    return Section(
        title="Precision over recall",
        how_to_read=f"How many detections are right, down to the score that finds so many objects{of}. A curve that "
        "falls to 0 early has objects that nothing finds, at any score.",
        parts=[Figure(figure=figures.precisions(shown), alt=alt)] if shown else [],
    )


def mistakes(
    predictions: Sequence[Detections], targets: Sequence[Truth], *, classes: Sequence[str], threshold: float
) -> Section:
    """Return what the detections with a score of `threshold` or more are, by class."""
    counts = kinds(predictions, targets, n_classes=len(classes), threshold=threshold).counts.sum(axis=0)
    order = sorted(range(len(classes)), key=lambda label: (-int(counts[label, 1:].sum()), classes[label]))
    rows = [(classes[label], *counts[label].tolist()) for label in order if counts[label].any()]
    meaning = "; ".join(f"{kind}: {what}" for kind, what in KINDS.items())
    return Section(
        title="Kinds of mistakes",
        how_to_read=f"Of detections with a score of {threshold:g} or more (task.threshold), by their class. {meaning}.",
        parts=[Table(columns=("class", *KINDS), rows=rows)],
    )
