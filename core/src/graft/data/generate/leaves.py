"""Dead leaves: textured shapes that hide one another, over noise. Unlabelled images to pretrain on.

They have what early vision needs (edges, corners, occlusion, texture, scale) and nobody's licence.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from graft.data.generate.fields import Field, box, coverage, disc, grating, plane, polygon, power_noise, turned

SHAPES = (8, 27)
"""Fewest and most shapes of an image."""

_BANK = 64


def dead_leaves(count: int, *, size: int = 64, seed: int = 0) -> NDArray[np.uint8]:
    """Return `(count, size, size, 3)` images; image i is a function of (seed, size, i), whatever `count` is."""
    images = np.empty((count, size, size, 3), np.uint8)
    for index in range(count):
        images[index] = dead_leaf(index, size=size, seed=seed)
    return images


def dead_leaf(index: int, *, size: int = 64, seed: int = 0) -> NDArray[np.uint8]:
    """Return one of the images of `dead_leaves`, `(size, size, 3)`."""
    return _image(np.random.default_rng((seed, size, index)), size, _bank(size, seed))


@lru_cache(maxsize=4)
def _bank(size: int, seed: int) -> NDArray[np.float32]:
    """Return the noise that textures are taken from. Do not write to it."""
    return power_noise(np.random.default_rng((seed, size)), size, alpha=1.0, count=_BANK)


def _image(rng: np.random.Generator, size: int, bank: NDArray[np.float32]) -> NDArray[np.uint8]:
    y, x = plane(size)
    noise = power_noise(rng, size, alpha=rng.uniform(0.5, 2.0), count=3)
    # Noise of one brightness under all channels and a little colour of its own in each, as photographs have.
    canvas = rng.uniform(0.2, 0.8, 3).astype(np.float32) + rng.uniform(0.05, 0.2) * (
        noise[0][..., None] + 0.4 * np.moveaxis(noise, 0, -1)
    )
    for _ in range(rng.integers(SHAPES[0], SHAPES[1] + 1)):
        # Radii of density 1/r^2 between the smallest and the largest: many small, some large, as when scenes recede.
        radius = 1 / rng.uniform(1 / 0.75, 1 / 0.12)
        v, u = turned(y - np.float32(rng.uniform(-1, 1)), x - np.float32(rng.uniform(-1, 1)), rng.uniform(0, np.pi))
        alpha = coverage(_shape(rng, v, u, radius))[..., None]
        canvas = canvas * (1 - alpha) + _texture(rng, v, u, bank) * alpha
    grain = rng.uniform(0, 0.04)
    canvas = canvas + grain * rng.standard_normal(canvas.shape, dtype=np.float32)
    image: NDArray[np.uint8] = (np.clip(canvas, 0, 1) * 255 + 0.5).astype(np.uint8)
    return image


def _shape(rng: np.random.Generator, v: Field, u: Field, radius: float) -> Field:
    kind = rng.integers(3)
    if kind == 0:
        return disc(v, u * np.float32(rng.uniform(1, 2)), radius)
    if kind == 1:
        return box(v, u, radius * rng.uniform(0.3, 1), radius)
    return polygon(v, u * np.float32(rng.uniform(0.7, 1.4)), radius * 1.2, corners=3)


def _texture(rng: np.random.Generator, v: Field, u: Field, bank: NDArray[np.float32]) -> NDArray[np.float32]:
    first = rng.uniform(0, 1, 3).astype(np.float32)
    kind = rng.integers(6)
    if kind == 0:
        return np.broadcast_to(first, (*u.shape, 3))
    pattern: Field
    if kind == 1:
        pattern = 1.5 * u
    elif kind == 2:
        pattern = grating(u, waves=rng.uniform(4, 16), sharp=bool(rng.integers(2)))
    elif kind == 3:
        waves = rng.uniform(4, 12)
        pattern = grating(u, waves=waves, sharp=True) * grating(v, waves=waves, sharp=True)
    elif kind == 4:
        pattern = bank[rng.integers(len(bank))]
    else:
        pattern = np.abs(bank[rng.integers(len(bank))]) * 2 - 1.5  # ridges where the noise changes its sign
    second = rng.uniform(0, 1, 3).astype(np.float32)
    share = np.clip(0.5 + 0.5 * pattern, 0, 1)[..., None]
    texture: NDArray[np.float32] = first + share * (second - first)
    return texture
