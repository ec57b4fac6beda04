"""Families of generated images, free of anyone's licence. Torch-free; an image is a function of its arguments."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
from numpy.typing import NDArray

from graft.data.generate.fields import Field, grating, plane, power_noise, turned
from graft.data.generate.leaves import dead_leaf
from graft.data.generate.patterns import PATTERNS
from graft_pretraining.scenes import scene

Picture = NDArray[np.uint8]


def textures(index: int, *, size: int, seed: int) -> Picture:
    """Return one of eight patterns (bricks, cells, marble …), coarse or fine, in two colours that noise varies."""
    rng = np.random.default_rng((seed, size, index))
    pattern = list(PATTERNS.values())[rng.integers(len(PATTERNS))]
    field = pattern(rng, size, float(rng.uniform(1, 2.5)))
    first, second = rng.uniform(0, 1, (2, 3)).astype(np.float32)
    shade = power_noise(rng, size, alpha=1.5)[0] * np.float32(rng.uniform(0, 0.15))
    return _pixels(_between(field, first, second) + shade[..., None])


def gratings(index: int, *, size: int, seed: int) -> Picture:
    """Return some patches of stripes that fade out, of all directions and widths, on a plain ground."""
    rng = np.random.default_rng((seed, size, index))
    y, x = plane(size)
    canvas = np.broadcast_to(rng.uniform(0.2, 0.8, 3).astype(np.float32), (size, size, 3))
    for _ in range(rng.integers(3, 13)):
        v, u = turned(y - np.float32(rng.uniform(-1, 1)), x - np.float32(rng.uniform(-1, 1)), rng.uniform(0, np.pi))
        radius = float(rng.uniform(0.1, 0.7))
        fade = np.exp(-(u * u + v * v) / np.float32(radius**2))
        stripes = grating(u, waves=rng.uniform(0.5, 4) / radius, phase=rng.uniform(0, 2 * np.pi))
        canvas = canvas + (fade * stripes)[..., None] * rng.uniform(-0.5, 0.5, 3).astype(np.float32)
    return _pixels(canvas)


def noise(index: int, *, size: int, seed: int) -> Picture:
    """Return noise whose amplitude falls as 1 / f^alpha, alpha 0.5…2.5, in colours (Baradad et al. 2021)."""
    rng = np.random.default_rng((seed, size, index))
    fields = power_noise(rng, size, alpha=rng.uniform(0.5, 2.5), count=3)
    # Three fields mixed at random: photographs' channels go together, more or less.
    mixed = np.tensordot(rng.uniform(-1, 1, (3, 3)).astype(np.float32), fields, axes=1)
    return _pixels(rng.uniform(0.2, 0.8, 3).astype(np.float32) + 0.2 * np.moveaxis(mixed, 0, -1))


GENERATORS: Mapping[str, Callable[..., Picture]] = {
    "dead-leaves": dead_leaf,
    "scenes": scene,
    "textures": textures,
    "gratings": gratings,
    "noise": noise,
}
"""By the `kind` of a file of generated images."""


def draw(kind: str, index: int, *, size: int, seed: int) -> Picture:
    """Return an image of a family, `(size, size, 3)`."""
    return GENERATORS[kind](index, size=size, seed=seed)


def _between(field: Field, first: NDArray[np.float32], second: NDArray[np.float32]) -> NDArray[np.float32]:
    share = np.clip(0.5 + 0.5 * field, 0, 1)[..., None]
    mixed: NDArray[np.float32] = first + share * (second - first)
    return mixed


def _pixels(values: NDArray[np.float32]) -> Picture:
    pixels: Picture = (np.clip(values, 0, 1) * 255 + 0.5).astype(np.uint8)
    return pixels
