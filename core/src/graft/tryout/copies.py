"""Images that are nearly the same: re-encoded, resized, or recoloured a little. Torch-free.

Two images are copies when their small grey versions are the same up to brightness and contrast and a pretrained network
sees the same in both. Either alone takes skies for skies.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray
from PIL import Image

SIDE = 32
"""Of the small grey versions, in pixels."""

SAME_PIXELS = 0.98
"""Correlation of small grey versions."""

SAME_FEATURES = 0.95
"""Cosine of features, about their mean."""

_CHUNK = 1024
_FLAT = 1e-6


def small(image: NDArray[np.generic]) -> NDArray[np.float32]:
    """Return `(h, w, C)`, uint8 or float 0…1, as a small grey version `(SIDE²,)` of mean 0 and length 1; 0 if flat."""
    pixels = image if image.dtype == np.uint8 else (np.asarray(image, np.float32) * 255).astype(np.uint8)
    grey = Image.fromarray(pixels if pixels.shape[2] == 3 else pixels[:, :, 0]).convert("L")
    vector = np.asarray(grey.resize((SIDE, SIDE), Image.Resampling.BOX), np.float32).ravel()
    vector = vector - vector.mean()
    length = float(np.linalg.norm(vector))
    return vector / length if length > _FLAT else np.zeros_like(vector)


def near_copies(smalls: NDArray[np.float32], features: NDArray[np.float32]) -> list[tuple[int, int]]:
    """Return the pairs of images that are nearly the same, the smaller index first.

    Args:
        smalls: `(N, SIDE²)`, as `small` gives them.
        features: `(N, D)`.
    """
    centred = features - features.mean(axis=0)
    lengths = np.linalg.norm(centred, axis=1, keepdims=True)
    unit = centred / np.maximum(lengths, _FLAT)
    return [
        (i, j) for i, j in _alike(smalls) if float(unit[i] @ unit[j]) > SAME_FEATURES or lengths[[i, j]].max() <= _FLAT
    ]


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


def _alike(smalls: NDArray[np.float32]) -> Iterator[tuple[int, int]]:
    for start in range(0, len(smalls), _CHUNK):
        block = smalls[start : start + _CHUNK] @ smalls.T
        for row, column in np.argwhere(block > SAME_PIXELS).tolist():
            if start + row < column:
                yield start + row, column
