"""Smooth bending of images and of the places in them.

Not `albumentations.ElasticTransform`: its noise is blurred with the edge's pixels repeated, so that the edge moves five
times as far as the middle, and a corner twenty times; boxes go through whole pixels, and one that vanishes stays.
"""

from __future__ import annotations

import os
from typing import Any

import numpy as np
from numpy.typing import NDArray

# Before the import: albumentations asks the network for a newer version of itself otherwise.
os.environ["NO_ALBUMENTATIONS_UPDATE"] = "1"
import albumentations as A
import cv2

CELLS = 4
"""Cells of the grid of control points, down and across. A displacement of `s` of a side changes by no more than
`4 * CELLS * s` of the way between two places: below 1 nothing folds, and the way back is found by iteration."""
_ALONG = 8
"""Points on each side of a box that are followed."""
_ROUNDS = 24


class Elastic(A.DualTransform):  # type: ignore[misc]
    """Displaces the control points of cubic B-splines at random (Rueckert et al. 1999).

    An edge stays the image's edge, and bends within itself: nothing leaves the image, and nothing is made up.

    Args:
        strength: Largest displacement as a share of the image's sides; below 1/16, as above.
        p: Chance that an image is bent.
    """

    def __init__(self, strength: float, p: float = 0.5) -> None:
        super().__init__(p=p)
        self.strength = strength

    def get_params_dependent_on_data(self, params: dict[str, Any], data: dict[str, Any]) -> dict[str, Any]:
        """Return where control points, `(7, 7)` each, are displaced to, as shares of the image's sides."""
        del params, data
        drawn = self.random_generator.uniform(-self.strength, self.strength, (2, CELLS + 3, CELLS + 3))
        return {"down": _pinned(drawn[0]), "across": _pinned(drawn[1].T).T}

    def apply(self, img: NDArray[Any], down: NDArray[Any], across: NDArray[Any], **params: Any) -> NDArray[Any]:
        """Return the image, `(H, W, C)`, of which each pixel comes from where its place is displaced to."""
        del params
        return _looked_up(img, down, across, cv2.INTER_LINEAR)

    def apply_to_mask(self, mask: NDArray[Any], down: NDArray[Any], across: NDArray[Any], **params: Any) -> Any:
        """Return a mask, `(H, W)` or `(H, W, C)`, by the nearest pixel."""
        del params
        return _looked_up(mask, down, across, cv2.INTER_NEAREST)

    def apply_to_bboxes(self, bboxes: NDArray[Any], down: NDArray[Any], across: NDArray[Any], **params: Any) -> Any:
        """Return the smallest boxes, `(N, 4+)`, in shares of the sides, around where the given ones come to lie."""
        del params
        left, top, right, bottom = bboxes[:, :4, None].transpose(1, 0, 2)
        along = np.arange(_ALONG) / _ALONG
        x, y = left + (right - left) * along, top + (bottom - top) * along
        # Around each box: over its top, down, and back. Corners are on it.
        xs = np.concatenate([x, right + 0 * x, left + right - x, left + 0 * x], axis=1)
        ys = np.concatenate([top + 0 * y, y, bottom + 0 * y, top + bottom - y], axis=1)
        at_x, at_y = xs, ys
        for _ in range(_ROUNDS):
            rows, columns = _weights(at_y), _weights(at_x)
            at_x = xs - np.einsum("...i,ij,...j", rows, across, columns)
            at_y = ys - np.einsum("...i,ij,...j", rows, down, columns)
        moved = [at_x.min(axis=1), at_y.min(axis=1), at_x.max(axis=1), at_y.max(axis=1)]
        return np.column_stack([*moved, bboxes[:, 4:]])


def _pinned(points: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return control points that leave the edges at which the first axis begins and ends where they are."""
    points[1], points[-2] = 0, 0
    # Odd around the edge: its neighbours pull it as far one way as the other.
    points[0], points[-1] = -points[2], -points[-3]
    return points


def _weights(at: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return how much each control point has to say at places 0…1: the last axis is theirs, and sums up to 1."""
    away = np.abs(at[..., None] * CELLS + 1 - np.arange(CELLS + 3))
    near = 2 / 3 - away**2 + away**3 / 2
    return np.where(away < 1, near, np.clip(2 - away, 0, None) ** 3 / 6)


def _looked_up(image: NDArray[Any], down: NDArray[Any], across: NDArray[Any], how: int) -> NDArray[Any]:
    height, width = image.shape[:2]
    middles = (np.arange(height) + 0.5) / height, (np.arange(width) + 0.5) / width
    rows, columns = _weights(middles[0]), _weights(middles[1]).T
    x = np.arange(width) + width * (rows @ across @ columns)
    y = np.arange(height)[:, None] + height * (rows @ down @ columns)
    bent = cv2.remap(image, x.astype(np.float32), y.astype(np.float32), how, borderMode=cv2.BORDER_REPLICATE)
    whole: NDArray[Any] = bent.reshape(image.shape)
    return whole
