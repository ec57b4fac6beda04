"""Views of an image, as self-supervised learning compares them (Chen et al. 2020)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import cv2
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
    "blur": 0.0,
    "grain": 0.0,
}


class Views:
    """Crops, mirrors, turns and recolours an image; some lose their colours. Each frame of a sequence is drawn anew.

    Blur and grain are of a worse camera, another one for each view: else the noise of an image would tell it from all
    others, and nothing else need be learnt.

    Args:
        size: Height and width of the result.
        values: A value for every field of `ViewOptions`.
    """

    each_frame = True
    keeps_targets = True

    def __init__(self, size: tuple[int, int], values: Mapping[str, Any]) -> None:
        own = dict(values)
        self._grey, self._blur, self._grain = (own.pop(key) for key in ("grey", "blur", "grain"))
        self._image = ImageAugmentation(size, own)
        self.reach = self._image.reach
        self.varies = self._image.varies or bool(self._grey or self._blur or self._grain)

    def __call__(self, image: NDArray[Any], target: Any, seed: int) -> tuple[NDArray[Any], Any]:
        """Return a view of exactly the network's size, and the target; the same for the same seed."""
        image, target = self._image(image, target, seed)
        draw = np.random.default_rng(seed)
        if image.shape[2] == 3 and draw.random() < self._grey:
            image = luminance(image).repeat(3, axis=2)
        if self._blur and draw.random() < 0.5:
            image = cv2.GaussianBlur(image, (0, 0), draw.uniform(0.1, max(0.1, self._blur))).reshape(image.shape)
        if self._grain and draw.random() < 0.5:
            image = _grained(image, draw, draw.uniform(0, self._grain))
        return image, target


def _grained(image: NDArray[Any], draw: np.random.Generator, deviation: float) -> NDArray[Any]:
    """Return an image with noise, of the same type; `deviation` is a share of full scale."""
    top = 255.0 if image.dtype == np.uint8 else 1.0
    noise = draw.standard_normal(image.shape, dtype=np.float32) * np.float32(deviation * top)
    noisy: NDArray[Any] = (image + noise).clip(0, top)
    return np.round(noisy).astype(np.uint8) if image.dtype == np.uint8 else noisy.astype(image.dtype)


def views(*, size: tuple[int, int], options: ViewOptions) -> Augmentation:
    """Return an augmentation that gives views."""
    return Views(size, {**VIEWS, **options.model_dump(exclude_none=True)})
