"""The task's part of the report."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from graft.report.sections import Section, Table
from graft_segmentation.confusion import confusion, dice, hits, intersection_over_union
from graft_segmentation.options import TaskOptions
from graft_segmentation.target import MaskTarget, Segmented

_MOST = 12


def sections(
    predictions: Sequence[Segmented], targets: Sequence[MaskTarget], *, classes: Sequence[str], options: TaskOptions
) -> list[Section]:
    """Return overlaps per class, and for single labels what is most often taken for what."""
    both = zip(predictions, targets, strict=True)
    per_image = np.stack([confusion(p.mask, t.mask, len(classes)) for p, t in both])
    counts = per_image.sum(axis=0)
    found, predicted, true = hits(counts)
    shown = np.stack([hits(own)[2] > 0 for own in per_image]).sum(axis=0)
    overlap, agreement = intersection_over_union(counts), dice(counts)
    pixels = max(1, int(true.sum()) if not options.multi else int(counts[0].sum()))
    rows = [
        (
            name,
            float(overlap[i]),
            float(agreement[i]),
            float(found[i] / predicted[i]) if predicted[i] else None,
            float(found[i] / true[i]) if true[i] else None,
            float(true[i] / pixels),
            int(shown[i]),
        )
        for i, name in enumerate(classes)
    ]
    table = Table(columns=("class", "IoU", "Dice", "precision", "recall", "share of pixels", "images"), rows=rows)
    found_sections = [
        Section(
            title="Overlap per class",
            how_to_read="IoU is what is both predicted and true, of what is either. Of all pixels of all images "
            "together; a class with few pixels is measured badly.",
            parts=[table],
        )
    ]
    if not options.multi:
        found_sections.append(_mistakes(counts, classes))
    return found_sections


def _mistakes(counts: NDArray[np.int64], classes: Sequence[str]) -> Section:
    wrong = counts.copy()
    np.fill_diagonal(wrong, 0)
    order = np.argsort(-wrong, axis=None, kind="stable")[:_MOST]
    rows = []
    for place in order:
        true, taken = np.unravel_index(place, wrong.shape)
        if wrong[true, taken]:
            share = float(wrong[true, taken] / counts[true].sum())
            rows.append((classes[int(true)], classes[int(taken)], int(wrong[true, taken]), share))
    return Section(
        title="Largest confusions",
        how_to_read="Pixels of the class on the left that are taken for the one beside it.",
        parts=[Table(columns=("true", "taken for", "pixels", "share of the class"), rows=rows)] if rows else [],
    )
