"""What the sun does to a photograph in a field."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from graft.data.augment import NONE, ImageAugmentation
from graft_agriculture.options import LightOptions


class FieldLight:
    """Crops and mirrors an image with its places, then changes its light, of which places know nothing.

    Args:
        size: Height and width of the result.
        options: How much the light varies.
    """

    keeps_targets = True

    def __init__(self, *, size: tuple[int, int], options: LightOptions) -> None:
        self.options = options
        # Seen from above, a leaf has no up and down.
        self._crop = ImageAugmentation(size, {**NONE, "scale": options.scale, "flip": True, "vertical_flip": True})
        self.reach = self._crop.reach

    def __call__(self, image: NDArray[Any], target: Any, seed: int) -> tuple[NDArray[Any], Any]:
        """Return the image, of exactly `size`, and its target; the same for the same seed."""
        image, target = self._crop(image, target, seed)
        draw = np.random.default_rng(seed)
        across = _slope(image.shape[:2], draw)
        light = 1 + across * draw.uniform(0, self.options.sun)
        if draw.random() < self.options.shadow:
            # The edge of a shadow is never sharp: the sun is no point.
            edge, soft, dark = draw.uniform(-0.6, 0.6), draw.uniform(0.02, 0.1), draw.uniform(0.4, 0.8)
            light = light * (1 - (1 - dark) / (1 + np.exp((edge - _slope(image.shape[:2], draw)) / soft)))
        most = 255 if image.dtype == np.uint8 else 1
        lit = (image * light[..., None]).clip(0, most)
        return (np.round(lit) if most == 255 else lit).astype(image.dtype), target


def _slope(size: tuple[int, ...], draw: np.random.Generator) -> NDArray[np.float64]:
    """Return `(H, W)` from about -1 on one side to 1 on the other, in a direction that is drawn."""
    y, x = np.meshgrid(*(np.linspace(-1, 1, side) for side in size), indexing="ij")
    angle = draw.uniform(0, 2 * np.pi)
    return np.asarray(np.cos(angle) * x + np.sin(angle) * y)
