"""How far apart the borders of predicted and true regions are, image by image. numpy and scipy."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from graft.evaluation import Metric
from graft_medical.regions import named, regions
from graft_segmentation.target import MaskTarget, Segmented

PERCENTILE = 95.0


def surface_scores(
    predicted: NDArray[np.uint8], true: NDArray[np.uint8], classes: int, *, spacing: tuple[float, float] = (1.0, 1.0)
) -> NDArray[np.float64]:
    """Return each class's Hausdorff distance (95th percentile) and average symmetric surface distance, `(C, 2)`.

    Both are equal to MONAI's. NaN where a class is in neither; where it is in one alone, both are the image's
    diagonal, as in BraTS: a region that is missed is as bad as one that is as far off as can be.

    Args:
        predicted: `(H, W)` of class numbers, or `(H, W, C)` of 0 and 1.
        true: Likewise, with pixels that count nowhere.
        classes: C.
        spacing: What a pixel measures down and across; the distances are in its unit.
    """
    scores = np.full((classes, 2), np.nan)
    furthest = math.hypot(true.shape[0] * spacing[0], true.shape[1] * spacing[1])
    for number, (ours, theirs) in enumerate(regions(predicted, true, classes)):
        either = ours | theirs
        if not either.any():
            continue
        if not (ours.any() and theirs.any()):
            scores[number] = furthest
            continue
        box = ndimage.find_objects(either.astype(np.uint8))[0]
        found, wanted = _border(ours[box]), _border(theirs[box])
        to_wanted = ndimage.distance_transform_edt(~wanted, sampling=spacing)[found]
        to_found = ndimage.distance_transform_edt(~found, sampling=spacing)[wanted]
        hausdorff = max(np.percentile(to_wanted, PERCENTILE), np.percentile(to_found, PERCENTILE))
        scores[number] = hausdorff, np.concatenate([to_wanted, to_found]).mean()
    return scores


def mean_of_images(scores: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the mean over the images `(N, C, 2)` in which a class is, `(C, 2)`; NaN where it is in none."""
    there = ~np.isnan(scores)
    number = there.sum(axis=0)
    total = np.where(there, scores, 0).sum(axis=0)
    return np.where(number > 0, total / np.maximum(number, 1), np.nan)


class SurfaceDistances(Metric):
    """`hausdorff95` and `surface_distance`, of each class and the mean: in pixels, since masks say no millimetres.

    The Hausdorff distance is the 95th percentile in each direction, and the larger of the two (Huttenlocher et al.
    1993); the other is the mean distance of all pixels of both borders to the other one's. Each image has a value
    for each class that is in it; the value is their mean. The class `background` is in no mean over classes.
    """

    def rows(self, predictions: Sequence[Segmented], targets: Sequence[MaskTarget]) -> NDArray[np.float64]:
        """Return both distances of each class in each image, `(N, C, 2)`, NaN where it is in neither mask."""
        both = zip(predictions, targets, strict=True)
        return np.stack([surface_scores(p.mask, t.mask, len(self.classes)) for p, t in both])

    def compute(self, rows: NDArray[Any]) -> dict[str, float]:
        """Return the mean over images."""
        hausdorff, surface = mean_of_images(rows).T
        return {**named("hausdorff95", hausdorff, self.classes), **named("surface_distance", surface, self.classes)}


def _border(region: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Return the pixels of a region with one of four neighbours that is not of it, or outside of the image."""
    inside: NDArray[np.bool_] = ndimage.binary_erosion(region)
    return region & ~inside
