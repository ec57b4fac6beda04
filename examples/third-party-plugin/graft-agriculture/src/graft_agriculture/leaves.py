"""Leaves with rust, drawn."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

GRADES = ("0", "1", "2", "3")
"""How much of a leaf is ill: nothing, a little, a third, most of it."""
PARTS = ("soil", "leaf", "rust")
"""Of masks, by number."""

_SPOTS: Mapping[str, tuple[int, int]] = {"0": (0, 0), "1": (2, 4), "2": (8, 12), "3": (20, 30)}


@dataclass(frozen=True)
class Field:
    """What the photographs of a field have in common: its soil, and its variety's green."""

    soil: tuple[float, float, float]
    green: float

    @classmethod
    def drawn(cls, rng: np.random.Generator, *, bright: float) -> Field:
        """Return a field of a region that is so `bright`."""
        red, green, blue = bright * rng.uniform(0.8, 1.2) * np.array([0.55, 0.4, 0.28])
        return cls((float(red), float(green), float(blue)), float(bright * rng.uniform(0.8, 1.2)))


def leaf(
    field: Field, grade: str, *, size: int, rng: np.random.Generator
) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """Return a photograph `(size, size, 3)` of a leaf, and a mask `(size, size)` of `PARTS`."""
    y, x = np.mgrid[:size, :size] / size - 0.5
    angle = rng.uniform(0, np.pi)
    along, aside = np.cos(angle) * x + np.sin(angle) * y, np.cos(angle) * y - np.sin(angle) * x
    inside = np.square(along / rng.uniform(0.38, 0.46)) + np.square(aside / rng.uniform(0.18, 0.24)) < 1
    mask = inside.astype(np.uint8)
    image = np.broadcast_to(np.array(field.soil), (size, size, 3)) + rng.normal(scale=0.06, size=(size, size, 1))
    blade = np.array([0.25, 0.6, 0.2]) * field.green * (1 - 0.4 * (np.abs(aside) < 0.008))[..., None]
    image = np.where(inside[..., None], blade, image)
    for _ in range(rng.integers(_SPOTS[grade][0], _SPOTS[grade][1] + 1)):
        row, column = rng.uniform(-0.4, 0.4), rng.uniform(-0.18, 0.18)
        spot = (np.hypot(along - row, aside - column) < rng.uniform(0.02, 0.04)) & inside
        image = np.where(spot[..., None], np.array([0.75, 0.4, 0.1]) * field.green, image)
        mask[spot] = 2
    image = image + rng.normal(scale=0.02, size=image.shape)
    return (np.clip(image, 0, 1) * 255).round().astype(np.uint8), mask
