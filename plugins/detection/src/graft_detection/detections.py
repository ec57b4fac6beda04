"""Encoded targets and predictions of one image. Torch-free."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, eq=False)
class Truth:
    """The objects of one image, as numbers.

    Args:
        boxes: `(N, 4)` float32, left, top, right, bottom in pixels.
        labels: `(N,)` int64, indices of classes.
        crowd, difficult: `(N,)` bool, as in `graft_detection.objects.Objects`.
        areas: `(N,)` float32 in square pixels.
        size: (H, W) of the image in pixels.
    """

    boxes: NDArray[np.float32]
    labels: NDArray[np.int64]
    crowd: NDArray[np.bool_]
    difficult: NDArray[np.bool_]
    areas: NDArray[np.float32]
    size: tuple[int, int]


@dataclass(frozen=True, eq=False)
class Detections:
    """What a model finds in one image, the surest first.

    Args:
        boxes: `(N, 4)` float32, left, top, right, bottom in pixels.
        labels: `(N,)` int64, indices of classes.
        scores: `(N,)` float32 in 0…1.
        size: (H, W) of the image in pixels.
    """

    boxes: NDArray[np.float32]
    labels: NDArray[np.int64]
    scores: NDArray[np.float32]
    size: tuple[int, int]

    @classmethod
    def none(cls, size: tuple[int, int]) -> Detections:
        """Return that nothing is found."""
        return cls(np.zeros((0, 4), np.float32), np.zeros(0, np.int64), np.zeros(0, np.float32), size)
