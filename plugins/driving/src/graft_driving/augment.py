"""Augmentations of what cameras on the road see: core's own, and behind them weather, light and the camera."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from graft.data import Augmentation
from graft.data.augment import BASIC, ImageAugmentation
from graft_driving.effects import EFFECTS, applies_to
from graft_driving.options import RoadOptions

CHANCES = ("rain", "fog", "glare", "night", "motion_blur", "noise")
"""The effects that are drawn, in the order in which they come: what is in the air before what is in the camera."""

SCENES: Mapping[str, Any] = {**BASIC, "strength": 0.5, **dict.fromkeys(CHANCES, 0.1)}
SIGNS: Mapping[str, Any] = {**SCENES, "flip": False, "scale": 0.7}


class RoadAugmentation:
    """Moves and recolours images as core does, then lets weather and camera act on them, each by a chance of its own.

    Masks and boxes follow the moves and are left as they are by the rest. Effects are for colours of 8 bits; other
    images are moved alone.

    Args:
        size: Height and width of the result.
        values: A value for every field of `RoadOptions`.
    """

    keeps_targets = True

    def __init__(self, size: tuple[int, int], values: Mapping[str, Any]) -> None:
        self.size = size
        self.values = dict(values)
        own = {*CHANCES, "strength"}
        self._moved = ImageAugmentation(size, {key: value for key, value in values.items() if key not in own})

    @property
    def reach(self) -> float:
        """How large a region it is given; see `graft.data.augmentation.Augmentation`."""
        return self._moved.reach

    def __call__(self, image: NDArray[Any], target: Any, seed: int) -> tuple[NDArray[Any], Any]:
        """Return the image after moves and effects, and the target after the moves."""
        image, target = self._moved(image, target, seed)
        if not applies_to(image):
            return image, target
        rng = np.random.default_rng(seed)
        for name in CHANCES:
            # Drawn whether it is used or not: one chance does not change what the others give.
            chance, share, own = rng.random(), rng.random(), int(rng.integers(2**32))
            if chance < self.values[name]:
                image = EFFECTS[name](image, self.values["strength"] * (0.2 + 0.8 * share), own)
        return image, target


def road(*, size: tuple[int, int], options: RoadOptions) -> Augmentation:
    """Return an augmentation of street scenes: crops, mirror images, weather, light and camera."""
    return _refined(size, SCENES, options)


def signs(*, size: tuple[int, int], options: RoadOptions) -> Augmentation:
    """Return an augmentation of what must not be mirrored: signs point to the left or to the right."""
    return _refined(size, SIGNS, options)


def _refined(size: tuple[int, int], preset: Mapping[str, Any], options: RoadOptions) -> Augmentation:
    return RoadAugmentation(size, {**preset, **options.model_dump(exclude_none=True)})
