"""Simple scenes: a ground under a sky, and things that stand on it, smaller the farther off they are. Torch-free.

What dead leaves have not: an up and down, depth, light from one side, and shadows.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from graft.data.generate.fields import Field, box, coverage, disc, grating, plane, polygon, power_noise

Canvas = NDArray[np.float32]

THINGS = (3, 14)
"""Fewest and most things that stand on the ground."""


def scene(index: int, *, size: int, seed: int) -> NDArray[np.uint8]:
    """Return a scene, `(size, size, 3)`; a function of its arguments."""
    rng = np.random.default_rng((seed, size, index))
    y, x = plane(size)
    noise = power_noise(rng, size, alpha=rng.uniform(1.0, 2.0), count=2)
    horizon = float(rng.uniform(-0.7, 0.3))
    light = float(rng.choice([-1, 1]) * rng.uniform(0.3, 1))
    below = (y > horizon)[..., None]
    canvas = np.where(below, _ground(rng, y, x, horizon, noise[0]), _sky(rng, y, horizon, noise[1]))
    # From far to near, so that what is nearer hides what is farther.
    for near in np.sort(rng.uniform(0.1, 1, rng.integers(THINGS[0], THINGS[1] + 1))):
        foot, across = horizon + (1.1 - horizon) * near**1.5, rng.uniform(-1, 1)
        canvas = _standing(rng, canvas, y - np.float32(foot), x - np.float32(across), near, light, noise[0])
    pixels: NDArray[np.uint8] = (np.clip(canvas, 0, 1) * 255 + 0.5).astype(np.uint8)
    return pixels


def _sky(rng: np.random.Generator, y: Field, horizon: float, clouds: Field) -> Canvas:
    top, low = rng.uniform(0.3, 1, (2, 3)).astype(np.float32)
    share = np.clip((y + 1) / np.float32(horizon + 1.001), 0, 1)[..., None]
    white = np.clip(clouds * np.float32(rng.uniform(0, 0.4)), 0, 1)[..., None]
    sky: Canvas = (top + share * (low - top)) * (1 - white) + white
    return sky


def _ground(rng: np.random.Generator, y: Field, x: Field, horizon: float, noise: Field) -> Canvas:
    """Return a plane seen from above it: what lies on it gets finer towards the horizon."""
    depth = 1 / np.maximum(y - np.float32(horizon), np.float32(0.02))
    along, across = depth * np.float32(rng.uniform(0.5, 2)), x * depth * np.float32(rng.uniform(0.5, 2))
    kind = rng.integers(3)
    if kind == 0:
        size = len(noise)
        pattern = noise[(along * 8).astype(np.int64) % size, (across * 8).astype(np.int64) % size]
    elif kind == 1:
        pattern = grating(across, waves=1.0, sharp=bool(rng.integers(2)))
    else:
        pattern = grating(across, waves=1.0, sharp=True) * grating(along, waves=1.0, sharp=True)
    # Far off, where a pixel holds many repeats, they come to a mean.
    first, second = rng.uniform(0, 0.8, (2, 3)).astype(np.float32)
    share = (0.5 + 0.5 * np.clip(pattern, -1, 1) * np.minimum(1, 3 / depth))[..., None]
    ground: Canvas = first + share * (second - first)
    return ground


def _standing(
    rng: np.random.Generator, canvas: Canvas, v: Field, u: Field, near: float, light: float, noise: Field
) -> Canvas:
    """Return the canvas with a thing whose foot is at the origin of (v, u), and its shadow on the ground."""
    height, width = (float(near * one) for one in rng.uniform((0.25, 0.1), (1.3, 0.5)))
    shadow = coverage(disc(v * 4, u + np.float32(light) * width, width * 1.6))[..., None]
    canvas = canvas * (1 - np.float32(0.45) * shadow)
    middle = v + height / 2
    colour, other = rng.uniform(0, 1, (2, 3)).astype(np.float32)
    pattern: Field
    kind = rng.integers(4)
    if kind == 0:  # a house: windows, and perhaps a roof
        shape = box(middle, u, height / 2, width)
        if rng.integers(2):
            shape = np.maximum(shape, polygon(u, v + height * 1.15, width * 1.3, corners=3))
        repeats = rng.uniform(2, 5) / width
        pattern = np.minimum(grating(u, waves=repeats, sharp=True), grating(v, waves=repeats, sharp=True))
    elif kind == 1:  # a tree: a crown with leaves on a trunk
        crown = disc(v + height * 0.75, u * np.float32(rng.uniform(0.8, 1.6)), height * 0.4)
        shape = np.maximum(crown, box(middle, u, height / 2, width * 0.12))
        pattern = noise * np.float32(1.5)
    elif kind == 2:  # a ball
        shape = disc(v + width, u, width)
        pattern = np.full_like(u, -1)
    else:  # a post, or what is like one
        shape = box(middle, u, height / 2, width * 0.2)
        pattern = grating(v, waves=rng.uniform(2, 6) / height)
    share = (0.5 + 0.5 * np.clip(pattern, -1, 1))[..., None]
    lit = 1 - np.clip(np.float32(0.4 * light) * u / width, -0.5, 0.5)[..., None]
    alpha = coverage(shape)[..., None]
    standing: Canvas = canvas * (1 - alpha) + (colour + share * (other - colour)) * lit * alpha
    return standing
