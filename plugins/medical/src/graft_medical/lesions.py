"""Which lesions are found at all, whatever their size: connected regions counted one by one. numpy and scipy."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from graft.evaluation import Metric
from graft_medical.regions import BACKGROUND, named, regions
from graft_segmentation.target import MaskTarget, Segmented

_TOUCHING = np.ones((3, 3), bool)
"""Pixels that touch at a corner are of one lesion."""


def lesion_counts(predicted: NDArray[np.uint8], true: NDArray[np.uint8], classes: int) -> NDArray[np.int64]:
    """Return the lesions of each class, those of them that are found, and false ones, `(C, 3)`.

    A lesion is found when one of its pixels is predicted as of its class; what is predicted is false where it touches
    none of them.

    Args:
        predicted: `(H, W)` of class numbers, or `(H, W, C)` of 0 and 1.
        true: Likewise, with pixels that count nowhere.
        classes: C.
    """
    counts = np.zeros((classes, 3), np.int64)
    for number, (ours, theirs) in enumerate(regions(predicted, true, classes)):
        lesions, count = ndimage.label(theirs, _TOUCHING)
        found = len(np.unique(lesions[ours & theirs]))
        said, claimed = ndimage.label(ours, _TOUCHING)
        right = len(np.unique(said[ours & theirs]))
        counts[number] = count, found, claimed - right
    return counts


def sensitivity(counts: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return the share of lesions that are found, of `(C, 3)` counts; NaN where there are none."""
    lesions, found, _ = counts.T
    return np.where(lesions > 0, found / np.maximum(lesions, 1), np.nan)


class Lesions(Metric):
    """`lesion_sensitivity`: the share of lesions that are found, of all images together, and `false_lesions` per image.

    Lesions are regions of touching pixels in one image: of a volume, in one slice. For each class and the mean; false
    ones are summed over classes. The class `background` is in neither.
    """

    def rows(self, predictions: Sequence[Segmented], targets: Sequence[MaskTarget]) -> NDArray[np.int64]:
        """Return the counts of each image, `(N, C, 3)`."""
        both = zip(predictions, targets, strict=True)
        return np.stack([lesion_counts(p.mask, t.mask, len(self.classes)) for p, t in both])

    def compute(self, rows: NDArray[Any]) -> dict[str, float]:
        """Return `lesion_sensitivity`, `lesion_sensitivity.<class>` and `false_lesions`."""
        counted = rows[:, [name != BACKGROUND for name in self.classes], 2]
        return {
            **named("lesion_sensitivity", sensitivity(rows.sum(axis=0)), self.classes),
            "false_lesions": float(counted.sum() / len(rows)),
        }
