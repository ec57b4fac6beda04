"""How well boundaries lie, image by image."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from graft_segmentation.masks import IGNORE


def boundary_f1(
    predicted: NDArray[np.uint8], true: NDArray[np.uint8], classes: int, tolerance: int
) -> NDArray[np.float64]:
    """Return F1 of each class's boundary in one image (Csurka et al. 2013), `(C,)`; NaN where it has none.

    A pixel is on a class's boundary when it is of the class, and one of its four neighbours in the image is not.
    Pixels that count nowhere, and those of both boundaries within `tolerance` of them, are left out.

    Args:
        predicted: `(H, W)` of class numbers, or `(H, W, C)` of 0 and 1.
        true: Likewise, with `IGNORE`.
        classes: C.
        tolerance: Pixels, by Euclid, by which boundaries may lie apart.
    """
    scores = np.full(classes, np.nan)
    uncounted: NDArray[np.bool_] | None = None
    for number in range(classes):
        if true.ndim == 2:
            ours, theirs, void = predicted == number, true == number, true == IGNORE
        else:
            ours, theirs, void = predicted[..., number] == 1, true[..., number] == 1, true[..., number] == IGNORE
        if not (ours.any() or theirs.any()):
            continue
        if uncounted is None or true.ndim == 3:
            uncounted = _near(void, tolerance)
        found, wanted = edges(ours) & ~uncounted, edges(theirs) & ~uncounted
        if not (found.any() or wanted.any()):
            continue
        precision = float((found & _near(wanted, tolerance)).sum() / max(1, found.sum()))
        recall = float((wanted & _near(found, tolerance)).sum() / max(1, wanted.sum()))
        scores[number] = 2 * precision * recall / (precision + recall) if precision + recall else 0.0
    return scores


def edges(region: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Return the pixels of a region with a neighbour, of four, in the image that is not of it."""
    inner = region.copy()
    inner[1:] &= region[:-1]
    inner[:-1] &= region[1:]
    inner[:, 1:] &= region[:, :-1]
    inner[:, :-1] &= region[:, 1:]
    return region & ~inner


def _near(pixels: NDArray[np.bool_], distance: int) -> NDArray[np.bool_]:
    """Return what is within `distance` of `pixels`, by Euclid.

    A disc is laid row by row, the outermost first, since each next one is as wide or wider: `4 * distance` shifts of
    the image, where a distance transform takes thirty times as long.
    """
    if not pixels.any():
        return pixels
    height, width = pixels.shape
    around = np.pad(pixels, distance)
    rows = around[:, distance : distance + width].copy()
    near = np.zeros_like(pixels)
    reach = 0
    for down in range(distance, -1, -1):
        while (reach + 1) ** 2 + down**2 <= distance**2:
            reach += 1
            rows |= around[:, distance - reach : distance - reach + width]
            rows |= around[:, distance + reach : distance + reach + width]
        near |= rows[distance - down : distance - down + height]
        near |= rows[distance + down : distance + down + height]
    return near
