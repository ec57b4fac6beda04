"""Images that are nearly the same: re-encoded, resized, brightened or recoloured. Torch-free.

Two images are copies when the details of their small grey versions are the same up to brightness and contrast: what is
left of 32 × 32 pixels when their coarse light and shade are taken away, which are alike in many a sky. (A pretrained
network's features are no help: half the size and a stronger compression move them further than to another image.)
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from PIL import Image

SIDE = 32
COARSE = 4
"""Sides in pixels: of the small version, and of what is taken away from it."""

SAME = 0.975
"""Correlation of details from which on two images count as copies. On real sets, halves of the size compressed by JPEG
are at 0.99 and more, neighbouring frames of a video at up to 0.965."""

_CHUNK = 1024
_FLAT = 1e-3


def details(image: NDArray[np.generic]) -> NDArray[np.float32]:
    """Return `(h, w, C)`, uint8 or float 0…1, as a vector `(SIDE²,)` of mean 0 and length 1; of zeros when flat."""
    pixels = image if image.dtype == np.uint8 else (np.asarray(image, np.float32) * 255).astype(np.uint8)
    grey = Image.fromarray(pixels if pixels.shape[2] == 3 else pixels[:, :, 0]).convert("L")
    small = Image.fromarray(np.asarray(grey.resize((SIDE, SIDE), Image.Resampling.BOX), np.float32))
    coarse = small.resize((COARSE, COARSE), Image.Resampling.BOX).resize((SIDE, SIDE), Image.Resampling.BICUBIC)
    vector = (np.asarray(small) - np.asarray(coarse)).ravel()
    vector = vector - vector.mean()
    length = float(np.linalg.norm(vector))
    return vector / length if length > _FLAT else np.zeros_like(vector)


def near_copies(known: NDArray[np.float32]) -> list[tuple[int, int]]:
    """Return the pairs of images that are nearly the same, the smaller index first.

    Args:
        known: `(N, SIDE²)`, as `details` gives them.
    """
    pairs: list[tuple[int, int]] = []
    for start in range(0, len(known), _CHUNK):
        rows, columns = np.nonzero(known[start : start + _CHUNK] @ known.T > SAME)
        pairs += [(i, j) for i, j in zip((rows + start).tolist(), columns.tolist(), strict=True) if i < j]
    return pairs


def sets(pairs: Sequence[tuple[int, int]], n: int) -> NDArray[np.int64]:
    """Return the number of the set that each of `n` images is in, `(n,)`: copies of copies belong together."""
    parent = list(range(n))

    def root(index: int) -> int:
        while parent[index] != index:
            parent[index] = parent[parent[index]]
            index = parent[index]
        return index

    for i, j in pairs:
        a, b = sorted((root(i), root(j)))
        parent[b] = a
    return np.array([root(index) for index in range(n)], dtype=np.int64)
