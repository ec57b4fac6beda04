"""Eight patterns that differ in structure, not in colour: the classes of the labelled sample. Numpy only.

Each function returns a field of about -1…1 over a square image; `fine` scales the number of repeats: 1 is coarse,
2 twice as fine. Position, angle and proportions are drawn at random.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np

from graft.data.generate.fields import Field, grating, plane, power_noise, turned

Pattern = Callable[[np.random.Generator, int, float], Field]


def _frame(rng: np.random.Generator, size: int) -> tuple[Field, Field]:
    """Return coordinates that are turned and shifted at random."""
    y, x = plane(size)
    return turned(y + np.float32(rng.uniform(-0.5, 0.5)), x + np.float32(rng.uniform(-0.5, 0.5)), rng.uniform(0, np.pi))


def _cells(rng: np.random.Generator, size: int, fine: float) -> tuple[Field, Field, Field]:
    """Return, for scattered points, the distance to the nearest one, to the second, and the nearest one's shade."""
    y, x = plane(size)
    count = int(14 * fine**2)
    points = rng.uniform(-1.2, 1.2, (count, 2)).astype(np.float32)
    distances = np.hypot(y[None] - points[:, :1, None], x[None] - points[:, 1:, None])
    nearest = distances.argmin(0)
    first, second = np.partition(distances, 1, axis=0)[:2]
    shades = rng.uniform(-1, 1, count).astype(np.float32)
    return first, second, shades[nearest]


def stripes(rng: np.random.Generator, size: int, fine: float) -> Field:
    """Parallel stripes."""
    _, u = _frame(rng, size)
    return grating(u, waves=fine * rng.uniform(3, 5))


def rings(rng: np.random.Generator, size: int, fine: float) -> Field:
    """Rings around one point in the picture."""
    y, x = plane(size)
    distance = np.hypot(y + np.float32(rng.uniform(-0.6, 0.6)), x + np.float32(rng.uniform(-0.6, 0.6)))
    return grating(distance, waves=fine * rng.uniform(3, 5), phase=rng.uniform(0, 2 * np.pi))


def checks(rng: np.random.Generator, size: int, fine: float) -> Field:
    """A chequerboard."""
    v, u = _frame(rng, size)
    repeats = fine * rng.uniform(2, 3.5)
    return grating(u, waves=repeats, sharp=True) * grating(v, waves=repeats, sharp=True)


def bricks(rng: np.random.Generator, size: int, fine: float) -> Field:
    """Rows of bricks with mortar between them, every second row shifted by half a brick."""
    v, u = _frame(rng, size)
    rows = np.float32(fine * rng.uniform(2.5, 4)) * v
    along = np.float32(fine * rng.uniform(1.2, 2)) * u + np.float32(0.5) * (np.floor(rows) % 2)
    mortar = np.minimum((rows % 1) * np.float32(0.6), along % 1)
    return np.where(mortar < 0.12, np.float32(-1), np.float32(0.8))


def dots(rng: np.random.Generator, size: int, fine: float) -> Field:
    """Round spots of one size, scattered."""
    first, _, _ = _cells(rng, size, fine)
    return np.where(first < np.float32(rng.uniform(0.13, 0.19) / fine), np.float32(1), np.float32(-0.7))


def cells(rng: np.random.Generator, size: int, fine: float) -> Field:
    """Cells with walls between them."""
    first, second, _ = _cells(rng, size, fine)
    return np.where(second - first < np.float32(0.09 / fine), np.float32(-1), np.float32(0.7))


def mosaic(rng: np.random.Generator, size: int, fine: float) -> Field:
    """Cells without walls, each in a shade of its own."""
    return _cells(rng, size, fine)[2]


def marble(rng: np.random.Generator, size: int, fine: float) -> Field:
    """Veins: where smooth noise changes its sign."""
    noise: Field = power_noise(rng, size, alpha=2.2 - 0.3 * fine)[0]
    veins: Field = 1 - np.minimum(np.abs(noise) * np.float32(2.5), 2)
    return veins


PATTERNS: Mapping[str, Pattern] = {
    pattern.__name__: pattern for pattern in (bricks, cells, checks, dots, marble, mosaic, rings, stripes)
}
