"""What changes between flights: the direction one looks from, light, haze and the sensor's noise.

Images from above have no up and down: the eight symmetries of a square (D4) are drawn alike. For any number of bands.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from graft.data import Augmentation
from graft.data.augment import NONE, ImageAugmentation
from graft.data.spatial import Places, Spatial
from graft_satellite.options import GroundOptions

OVERHEAD: Mapping[str, float] = {"scale": 0.5, "light": 0.0, "haze": 0.0, "noise": 0.0}
OVERHEAD_STRONG: Mapping[str, float] = {"scale": 0.5, "light": 0.2, "haze": 0.3, "noise": 0.04}


class Overhead:
    """Crops, turns and mirrors an image with its places, and varies light, haze and noise.

    Args:
        size: Height and width of the result; where they differ it is not turned by quarters.
        values: A value for every field of `GroundOptions`.
    """

    keeps_targets = True

    def __init__(self, size: tuple[int, int], values: Mapping[str, float]) -> None:
        self.size = size
        self.values = dict(values)
        self._crop = ImageAugmentation(size, {**NONE, "scale": values["scale"]})
        self.reach = self._crop.reach

    def __call__(self, image: NDArray[Any], target: Any, seed: int) -> tuple[NDArray[Any], Any]:
        """Return the image, of exactly `size`, and its target; the same for the same seed."""
        image, target = self._crop(image, target, seed)
        draw = np.random.default_rng(seed)
        turns = int(draw.integers(4)) if self.size[0] == self.size[1] else 2 * int(draw.integers(2))
        mirrored = bool(draw.integers(2))
        image = np.rot90(image, turns)
        image = image[:, ::-1] if mirrored else image
        if isinstance(target, Spatial) and (turns or mirrored):
            target = target.moved(turned(target.places(), turns, mirrored=mirrored))
        return np.ascontiguousarray(self._lit(image, draw)), target

    def _lit(self, image: NDArray[Any], draw: np.random.Generator) -> NDArray[Any]:
        """Return an image in another light, of the same type."""
        light, haze, noise = (self.values[key] for key in ("light", "haze", "noise"))
        if not (light or haze or noise):
            return image
        top = 255.0 if image.dtype == np.uint8 else 1.0
        factors: NDArray[np.float32] = 1 + draw.uniform(-light, light, (1, 1, image.shape[2])).astype(np.float32)
        changed: NDArray[Any] = image.astype(np.float32) * factors
        if haze and draw.random() < 0.5:
            share = np.float32(draw.uniform(0, haze))
            changed = changed * (1 - share) + share * np.float32(top)
        if noise and draw.random() < 0.5:
            changed += draw.normal(0, draw.uniform(0, noise) * top, image.shape).astype(np.float32)
        changed = changed.clip(0, top)
        return np.round(changed).astype(np.uint8) if image.dtype == np.uint8 else changed


def turned(places: Places, turns: int, *, mirrored: bool) -> Places:
    """Return places after so many quarter turns to the left, as `np.rot90`, and then perhaps a mirror."""
    for _ in range(turns):
        _, width = places.size
        boxes = places.boxes
        if boxes is not None:
            x1, y1, x2, y2 = boxes.T
            boxes = np.stack([y1, width - x2, y2, width - x1], axis=1)
        mask = None if places.mask is None else np.rot90(places.mask)
        places = replace(places, size=places.size[::-1], boxes=boxes, mask=mask)
    if not mirrored:
        return places
    _, width = places.size
    boxes = places.boxes
    if boxes is not None:
        x1, y1, x2, y2 = boxes.T
        boxes = np.stack([width - x2, y1, width - x1, y2], axis=1)
    mask = None if places.mask is None else places.mask[:, ::-1]
    return replace(places, boxes=boxes, mask=mask)


def overhead(*, size: tuple[int, int], options: GroundOptions) -> Augmentation:
    """Return an augmentation that crops, turns and mirrors."""
    return Overhead(size, {**OVERHEAD, **options.model_dump(exclude_none=True)})


def overhead_strong(*, size: tuple[int, int], options: GroundOptions) -> Augmentation:
    """Return an augmentation that varies light, haze and noise, too."""
    return Overhead(size, {**OVERHEAD_STRONG, **options.model_dump(exclude_none=True)})
