"""Places in images: boxes and masks, and how they come from a file's pixels to a network's input and back. Torch-free.

Coordinates are continuous: pixel i covers i … i + 1, so the image that is `(H, W)` pixels large reaches from 0 to W and
from 0 to H. Boxes are `(x1, y1, x2, y2)`.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from graft.data.geometry import resized_shape
from graft.preprocess import Preprocess

VISIBLE = 0.2
"""Share of a box's area that must be inside of an image for the box, cut off at the border, to be kept."""


@dataclass(frozen=True, kw_only=True)
class Places:
    """What a target or a prediction says about places in an image, in that image's pixels.

    Args:
        size: (H, W) of the image.
        boxes: `(N, 4)` float32, or None.
        mask: `(H, W)` or `(H, W, C)`, uint8, int16 or bool, or None. With boxes, C may be N: a mask for each.
        rows: `(N,)` int64: which of the boxes that there were at first each box is; by default 0 … N - 1. Some are
            gone when they were cut away, and rotations that fill by reflection may show one twice.
        fill: What the mask says where there is no image.
    """

    size: tuple[int, int]
    boxes: NDArray[np.float32] | None = None
    mask: NDArray[Any] | None = None
    rows: NDArray[np.int64] | None = None
    fill: int = 0

    def __post_init__(self) -> None:
        if self.boxes is not None and self.rows is None:
            object.__setattr__(self, "rows", np.arange(len(self.boxes), dtype=np.int64))

    def of_boxes(self, keep: NDArray[Any]) -> Places:
        """Return them with some of the boxes, by a mask or by indices; the mask stays whole."""
        if self.boxes is None or self.rows is None:
            return self
        return replace(self, boxes=self.boxes[keep], rows=self.rows[keep])

    def clipped(self, visible: float = VISIBLE) -> Places:
        """Return them with boxes cut off at the border, without those of which less than `visible` is inside."""
        if self.boxes is None:
            return self
        height, width = self.size
        limits = np.array([width, height, width, height], np.float32)
        boxes = np.clip(self.boxes, 0, limits)
        area, left = _areas(self.boxes), _areas(boxes)
        return replace(self, boxes=boxes).of_boxes((left > 0) & (left >= visible * area))


@runtime_checkable
class Spatial(Protocol):
    """An encoded target, or a prediction, that says places: it follows its image through every change of pixels.

    A target is encoded in its file's pixels, and read when it is needed: what is heavy is loaded in `places`.
    """

    def places(self) -> Places:
        """Return its places.

        Raises:
            DataError: When they are in a file that cannot be read, naming it.
        """

    def moved(self, places: Places) -> Any:
        """Return the same for an image in which these are the places: what belongs to a box goes by `places.rows`."""


@dataclass(frozen=True)
class Placement:
    """Where a piece of an image comes to lie: scaled first, then shifted. `target = source * scale + offset`.

    Args:
        source: (H, W) of the image.
        target: (H, W) of what it becomes.
        scale: Target pixels per source pixel, down and across.
        offset: Where the source's corner comes to lie in the target, down and across.
    """

    source: tuple[int, int]
    target: tuple[int, int]
    scale: tuple[float, float] = (1.0, 1.0)
    offset: tuple[float, float] = (0.0, 0.0)

    @classmethod
    def stored(cls, source: tuple[int, int], preprocess: Preprocess) -> Placement:
        """Return the way from a file of (H, W) to what `geometry.resize` gives, which augmentations start from."""
        cut, size = resized_shape(source, preprocess)
        scale = (size[0] / cut[0], size[1] / cut[1])
        top, left = (round((have - kept) / 2) for have, kept in zip(source, cut, strict=True))
        target = preprocess.size if preprocess.resize == "pad" else size
        return cls(source, target, scale, (-top * scale[0], -left * scale[1]))

    @classmethod
    def prepared(cls, source: tuple[int, int], preprocess: Preprocess) -> Placement:
        """Return the way from a file of (H, W) to the network's input, as evaluation and prediction see it."""
        stored = cls.stored(source, preprocess)
        if preprocess.resize == "windows":
            return stored
        return stored.then(cls.cut(stored.target, preprocess.size))

    @classmethod
    def cut(cls, source: tuple[int, int], size: tuple[int, int]) -> Placement:
        """Return the way from an image to its centre, as `geometry.cut_centre` cuts it out."""
        kept = min(source[0], max(1, size[0])), min(source[1], max(1, size[1]))
        top, left = round((source[0] - kept[0]) / 2), round((source[1] - kept[1]) / 2)
        return cls(source, kept, (1.0, 1.0), (-float(top), -float(left)))

    def then(self, other: Placement) -> Placement:
        """Return this way, and then `other`."""
        return Placement(
            self.source,
            other.target,
            (self.scale[0] * other.scale[0], self.scale[1] * other.scale[1]),
            tuple(a * s + b for a, s, b in zip(self.offset, other.scale, other.offset, strict=True)),  # type: ignore[arg-type]
        )

    def back(self) -> Placement:
        """Return the way back."""
        scale = (1 / self.scale[0], 1 / self.scale[1])
        return Placement(self.target, self.source, scale, (-self.offset[0] * scale[0], -self.offset[1] * scale[1]))

    @property
    def same(self) -> bool:
        """Whether nothing moves."""
        return self.source == self.target and self.scale == (1.0, 1.0) and self.offset == (0.0, 0.0)

    def points(self, points: NDArray[Any]) -> NDArray[Any]:
        """Return `(…, 2)` points `(x, y)` where they come to lie."""
        kind = np.result_type(points.dtype, np.float32)
        return points * np.array(self.scale[::-1], kind) + np.array(self.offset[::-1], kind)  # type: ignore[no-any-return]

    def boxes(self, boxes: NDArray[Any]) -> NDArray[Any]:
        """Return `(N, 4)` boxes where they come to lie; they may reach beyond the target."""
        return self.points(boxes.reshape(-1, 2, 2)).reshape(-1, 4)

    def mask(self, mask: NDArray[Any], fill: int = 0) -> NDArray[Any]:
        """Return a mask of the target's size: the nearest value of `(H, W)` or `(H, W, C)`, and `fill` beside it."""
        inside, axes = [], []
        for length, have, scale, offset in zip(self.target, self.source, self.scale, self.offset, strict=True):
            at = np.floor((np.arange(length) + 0.5 - offset) / scale).astype(np.int64)
            inside.append((at >= 0) & (at < have))
            axes.append(np.clip(at, 0, have - 1))
        moved: NDArray[Any] = mask[axes[0][:, None], axes[1][None, :]]
        if not (inside[0].all() and inside[1].all()):
            moved[~(inside[0][:, None] & inside[1][None, :])] = fill
        return moved

    def __call__(self, places: Places, *, visible: float = VISIBLE) -> Places:
        """Return places where they come to lie; boxes are cut off at the border, and dropped if less is `visible`."""
        if self.same:
            return places
        return replace(
            places,
            size=self.target,
            boxes=None if places.boxes is None else self.boxes(places.boxes),
            mask=None if places.mask is None else self.mask(places.mask, places.fill),
        ).clipped(visible)


def placed(target: Any, placement: Placement) -> Any:
    """Return an encoded target for the image that `placement` gives; one that says no places is returned itself."""
    if placement.same or not isinstance(target, Spatial):
        return target
    return target.moved(placement(target.places()))


def restored(prediction: Any, placement: Placement) -> Any:
    """Return a prediction in the pixels of the file that `placement` brought to the network; as above."""
    if placement.same or not isinstance(prediction, Spatial):
        return prediction
    return prediction.moved(placement.back()(prediction.places(), visible=0))


def _areas(boxes: NDArray[np.float32]) -> NDArray[np.float32]:
    sides = np.maximum(boxes[:, 2:] - boxes[:, :2], 0)
    areas: NDArray[np.float32] = sides[:, 0] * sides[:, 1]
    return areas
