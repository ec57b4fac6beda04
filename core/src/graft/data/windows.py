"""Windows over an image that is larger than a network's input: where they lie, and what is seen in them. Torch-free."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from graft.preprocess import Preprocess

Corner = tuple[int, int]
"""Top and left of a window in pixels."""

Region = tuple[int, int, int, int]
"""Top, left, height and width in pixels; it may reach beyond the image, which is then continued by reflection."""


def corners(size: tuple[int, int], preprocess: Preprocess) -> tuple[Corner, ...]:
    """Return where windows of the input's size lie so that they cover an image of (H, W), row by row.

    They are evenly spaced and have `preprocess.overlap` in common at least. One that is larger than the image begins at
    its corner.
    """
    rows, columns = (
        _starts(have, window, preprocess.overlap) for have, window in zip(size, preprocess.size, strict=True)
    )
    return tuple((top, left) for top in rows for left in columns)


def _starts(length: int, window: int, overlap: float) -> list[int]:
    room = length - window
    if room <= 0:
        return [0]
    gaps = math.ceil(room / max(1, window - math.ceil(window * overlap)))
    return [round(place * room / gaps) for place in range(gaps + 1)]


def tiles(image: NDArray[Any], preprocess: Preprocess) -> tuple[list[NDArray[Any]], tuple[Corner, ...]]:
    """Return what is seen of an `(H, W, C)` image in each window, `(h, w, C)`, and where the windows lie."""
    height, width = preprocess.size
    places = corners((image.shape[0], image.shape[1]), preprocess)
    return [cut_region(image, (top, left, height, width)) for top, left in places], places


def cut_region(image: NDArray[Any], region: Region) -> NDArray[Any]:
    """Return a region of an `(H, W)` or `(H, W, C)` array, continued by reflection where it reaches beyond that."""
    top, left, height, width = region
    if top >= 0 and left >= 0 and top + height <= image.shape[0] and left + width <= image.shape[1]:
        return image[top : top + height, left : left + width]
    return image[_mirrored(top, height, image.shape[0])[:, None], _mirrored(left, width, image.shape[1])[None, :]]


def draw_region(size: tuple[int, int], wanted: tuple[int, int], seed: int) -> Region:
    """Return a region of `wanted` (H, W) somewhere in an image of `size`; a function of the seed.

    Where the image is smaller than the region, it lies in its middle.
    """
    draws = np.random.default_rng(seed)
    top, left = (
        int(draws.integers(have - window + 1)) if have >= window else -((window - have) // 2)
        for have, window in zip(size, wanted, strict=True)
    )
    return top, left, *wanted


def _mirrored(start: int, length: int, have: int) -> NDArray[np.int64]:
    """Return indices into an axis of `have` pixels that run on from `start`, and turn at both ends."""
    at = np.arange(start, start + length)
    if have == 1:
        return np.zeros(length, np.int64)
    at = np.abs(at) % (2 * have - 2)
    return np.where(at < have, at, 2 * have - 2 - at)
