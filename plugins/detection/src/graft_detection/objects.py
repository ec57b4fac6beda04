"""What an annotation says about one image: objects as boxes. Torch-free."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]
Flags = NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class Objects:
    """The objects in one image, as its annotation has them.

    Pixels are those of the file as it is shown, upright. A box goes from the left edge of its first pixel to the right
    edge of its last one: the whole of an image of 640 × 480 is `(0, 0, 640, 480)`.

    Args:
        boxes: `(N, 4)` float32: left, top, right, bottom; right > left and bottom > top, inside of the image.
        labels: N class names.
        crowd: `(N,)`: a box around many objects that were not told apart. No target in training; a prediction inside
            of it counts neither for nor against a model.
        difficult: `(N,)`: hard to recognise. Trained on; found or missed, it counts neither for nor against a model.
        areas: `(N,)` float32 in square pixels: of the object's outline where the annotation says it, else of its box.
        size: (H, W) of the file in pixels; None when neither the annotation nor the file says it.
    """

    boxes: Floats
    labels: tuple[str, ...]
    crowd: Flags
    difficult: Flags
    areas: Floats
    size: tuple[int, int] | None = None

    def __post_init__(self) -> None:
        n = len(self.labels)
        shapes = (self.boxes.shape, self.crowd.shape, self.difficult.shape, self.areas.shape)
        if shapes != ((n, 4), (n,), (n,), (n,)):
            raise ValueError(f"{n} labels, but boxes, crowd, difficult and areas of shapes {shapes}")

    @classmethod
    def of(
        cls,
        boxes: Sequence[Sequence[float]],
        labels: Sequence[str],
        *,
        crowd: Sequence[bool] | None = None,
        difficult: Sequence[bool] | None = None,
        areas: Sequence[float] | None = None,
        size: tuple[int, int] | None = None,
    ) -> Objects:
        """Return objects from plain lists; flags are False and areas those of the boxes where they are not given."""
        corners = np.array(boxes, np.float32).reshape(-1, 4)
        own = (corners[:, 2] - corners[:, 0]) * (corners[:, 3] - corners[:, 1])
        return cls(
            boxes=corners,
            labels=tuple(labels),
            crowd=np.array(crowd if crowd is not None else [False] * len(corners), bool),
            difficult=np.array(difficult if difficult is not None else [False] * len(corners), bool),
            areas=own if areas is None else np.array(areas, np.float32),
            size=size,
        )

    def __len__(self) -> int:
        return len(self.labels)
