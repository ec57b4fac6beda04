"""Views of an image, as self-supervised learning compares them (Chen et al. 2020)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from graft.data import Augmentation
from graft.data.augment import NONE, ImageAugmentation
from graft_pretraining.grey import luminance
from graft_pretraining.options import ViewOptions

VIEWS: Mapping[str, Any] = {
    **NONE,
    "scale": 0.3,
    "flip": True,
    "rotate": 10.0,
    "colour": 0.4,
    "hue": 0.1,
    "grey": 0.2,
}


class Views:
    """Crops, mirrors, turns and recolours an image; some lose their colours. Each frame of a sequence is drawn anew.

    Args:
        size: Height and width of the result.
        values: A value for every field of `ViewOptions`.
    """

    each_frame = True
    keeps_targets = True

    def __init__(self, size: tuple[int, int], values: Mapping[str, Any]) -> None:
        own = dict(values)
        self._grey = own.pop("grey")
        self._image = ImageAugmentation(size, own)
        self.reach = self._image.reach
        self.varies = self._image.varies or bool(self._grey)

    def __call__(self, image: NDArray[Any], target: Any, seed: int) -> tuple[NDArray[Any], Any]:
        """Return a view of exactly the network's size, and the target; the same for the same seed."""
        image, target = self._image(image, target, seed)
        if image.shape[2] == 3 and np.random.default_rng(seed).random() < self._grey:
            image = luminance(image).repeat(3, axis=2)
        return image, target


def views(*, size: tuple[int, int], options: ViewOptions) -> Augmentation:
    """Return an augmentation that gives views."""
    return Views(size, {**VIEWS, **options.model_dump(exclude_none=True)})
