"""Masks as pictures: colours of classes, laid over the image."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from graft_segmentation.masks import IGNORE

_SIDE = 208
_OPACITY = 0.55
_GAP = 4


def palette() -> NDArray[np.uint8]:
    """Return a colour for each number, `(256, 3)`, as Pascal VOC has them; the last one, for void, is nearly white."""
    colours = np.zeros((256, 3), np.uint8)
    for number in range(256):
        rest, bit = number, 7
        while rest:
            for channel in range(3):
                colours[number, channel] |= ((rest >> channel) & 1) << bit
            rest >>= 3
            bit -= 1
    colours[IGNORE] = (224, 224, 192)
    return colours


PALETTE = palette()


def paletted(mask: NDArray[np.uint8], classes: int) -> Image.Image:
    """Return class numbers as a picture with a palette: its values are the numbers, and viewers show colours."""
    image = Image.fromarray(mask)
    image.putpalette(PALETTE[: max(classes, int(mask.max(initial=0)) + 1)].tobytes())
    return image


def coloured(mask: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return `(H, W)` class numbers as colours `(H, W, 3)`; of `(H, W, C)` the mean colour of what a pixel shows."""
    if mask.ndim == 2:
        flat: NDArray[np.uint8] = PALETTE[mask]
        return flat
    shown = mask == 1
    total = (shown[..., None] * PALETTE[1 : mask.shape[2] + 1].astype(np.float32)).sum(axis=2)
    mean: NDArray[np.uint8] = (total / np.maximum(shown.sum(axis=2), 1)[..., None]).astype(np.uint8)
    return mean


def draw(
    pixels: NDArray[np.uint8], predicted: NDArray[np.uint8] | None, true: NDArray[np.uint8], classes: int
) -> NDArray[np.uint8]:
    """Return an image `(H, W, 3)` with its true mask, and beside it with the predicted one."""
    step = max(1, max(pixels.shape[:2]) // _SIDE)
    small = pixels[::step, ::step].astype(np.float32)
    shown = []
    for mask in (true, predicted):
        if mask is None or mask.shape[:2] != pixels.shape[:2]:
            continue
        own = mask[::step, ::step]
        colours = coloured(own).astype(np.float32)
        # What is black in the palette is the first class, often background: it stays as it is.
        alpha = _OPACITY * (colours.any(axis=2, keepdims=True))
        shown.append((small * (1 - alpha) + colours * alpha).astype(np.uint8))
    if not shown:
        return small.astype(np.uint8)
    gap = np.full((small.shape[0], _GAP, 3), 255, np.uint8)
    return np.concatenate([part for one in shown for part in (one, gap)][:-1], axis=1)
