"""Encoded targets and predictions of one image. Torch-free."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from graft.data.spatial import Places


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

    def places(self) -> Places:
        """Return the boxes."""
        return Places(size=self.size, boxes=self.boxes)

    def moved(self, places: Places) -> Truth:
        """Return the objects that are left in another image, and how large they are there."""
        boxes, rows = _there(places)
        scale = _areas(boxes) / np.maximum(_areas(self.boxes)[rows], 1e-9)
        return Truth(
            boxes=boxes,
            labels=self.labels[rows],
            crowd=self.crowd[rows],
            difficult=self.difficult[rows],
            areas=(self.areas[rows] * scale).astype(np.float32),
            size=places.size,
        )


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

    def places(self) -> Places:
        """Return the boxes."""
        return Places(size=self.size, boxes=self.boxes)

    def moved(self, places: Places) -> Detections:
        """Return the same in the pixels of another image."""
        boxes, rows = _there(places)
        return Detections(boxes, self.labels[rows], self.scores[rows], places.size)

    def from_score(self, threshold: float) -> Detections:
        """Return those with such a score or more."""
        sure = self.scores >= threshold
        return replace(self, boxes=self.boxes[sure], labels=self.labels[sure], scores=self.scores[sure])


def _there(places: Places) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    if places.boxes is None or places.rows is None:
        raise TypeError("boxes are needed")
    return places.boxes.astype(np.float32, copy=False), places.rows


def _areas(boxes: NDArray[np.float32]) -> NDArray[np.float32]:
    areas: NDArray[np.float32] = (boxes[:, 2:] - boxes[:, :2]).prod(axis=1)
    return areas
