"""Scalar fields over an image's plane: noise, gratings and the distances that shapes are cut from. Numpy only.

Every function that draws at random takes a `numpy.random.Generator`, so that an image is a function of its seed.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

Field = NDArray[np.float32]


@lru_cache(maxsize=8)
def plane(size: int) -> tuple[Field, Field]:
    """Return the pixel centres `(y, x)` of a square image, `(size, size)` each, from -1 to 1. Do not write to them."""
    axis = (np.arange(size, dtype=np.float32) + 0.5) * (2 / size) - 1
    y, x = np.meshgrid(axis, axis, indexing="ij")
    return y, x


def power_noise(rng: np.random.Generator, size: int, *, alpha: float, count: int = 1) -> NDArray[np.float32]:
    """Return `(count, size, size)` noise whose amplitude falls as 1 / f^alpha, with mean 0 and deviation 1.

    `alpha` 0 is white noise; 1 is close to the spectrum of photographs; 2 is clouds.
    """
    frequency = np.hypot(np.fft.fftfreq(size)[:, None], np.fft.rfftfreq(size)[None, :])
    frequency[0, 0] = np.inf  # no constant part
    spectrum = np.fft.rfft2(rng.standard_normal((count, size, size), dtype=np.float32)) * frequency**-alpha
    noise: NDArray[np.float32] = np.fft.irfft2(spectrum, s=(size, size)).astype(np.float32)
    noise -= noise.mean(axis=(1, 2), keepdims=True)
    noise /= noise.std(axis=(1, 2), keepdims=True)
    return noise


def turned(y: Field, x: Field, angle: float) -> tuple[Field, Field]:
    """Return the coordinates in a frame that is turned by `angle` in radians."""
    sin, cos = np.float32(np.sin(angle)), np.float32(np.cos(angle))
    return cos * y - sin * x, sin * y + cos * x


def grating(x: Field, *, waves: float, phase: float = 0.0, sharp: bool = False) -> Field:
    """Return stripes across `x` from -1 to 1: `waves` of them over the plane's width, sine or hard-edged."""
    wave: Field = np.sin(np.float32(np.pi * waves) * x + np.float32(phase))
    return np.sign(wave) if sharp else wave


def disc(y: Field, x: Field, radius: float) -> Field:
    """Return the distance into a disc: positive inside, in units of the plane."""
    return np.float32(radius) - np.hypot(y, x)


def box(y: Field, x: Field, half_height: float, half_width: float) -> Field:
    """Return the distance into a box: positive inside."""
    return np.minimum(np.float32(half_height) - np.abs(y), np.float32(half_width) - np.abs(x))


def polygon(y: Field, x: Field, radius: float, *, corners: int) -> Field:
    """Return the distance into a regular polygon whose corners lie on a circle of `radius`."""
    inner = np.float32(radius * np.cos(np.pi / corners))
    depth: Field = np.full_like(x, np.inf)
    for side in range(corners):
        turn = 2 * np.pi * side / corners
        depth = np.minimum(depth, inner - (np.float32(np.cos(turn)) * x + np.float32(np.sin(turn)) * y))
    return depth


def coverage(distance: Field) -> Field:
    """Return how much of each pixel lies inside a shape, 0…1: its edge is one pixel wide."""
    size = distance.shape[-1]
    covered: Field = np.clip(distance * np.float32(size / 2) + np.float32(0.5), 0, 1)
    return covered
