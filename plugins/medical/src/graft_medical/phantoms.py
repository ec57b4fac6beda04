"""Drawn bodies: a chest in CT, a head in MR, a stained smear of blood, as two scanners or laboratories give them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from graft_medical.stains import colours

Field = NDArray[np.float64]
Box = tuple[float, float, float, float]


@dataclass(frozen=True, kw_only=True)
class Place:
    """Where images are made: a scanner, a laboratory.

    Args:
        blur: Standard deviation in pixels of an image of 64.
        noise: As a share of the range of values.
        field: Strength of a scanner's bias field.
        stain: How much of haematoxylin, eosin and DAB is taken up.
        light: What an empty slide looks like.
    """

    blur: float
    noise: float
    field: float
    stain: tuple[float, float, float]
    light: tuple[float, float, float]


PLACES: Mapping[str, Place] = {
    "source": Place(blur=0.4, noise=0.015, field=0.1, stain=(1.0, 1.0, 1.0), light=(0.97, 0.96, 0.98)),
    "target": Place(blur=0.8, noise=0.04, field=0.5, stain=(0.6, 0.75, 1.0), light=(0.88, 0.9, 0.82)),
}


def chest(place: Place, *, nodule: bool, size: int, seed: tuple[int, ...], slices: int) -> Field:
    """Return slices of a chest in Hounsfield units, `(slices, size, size)`, with a nodule in each, or none."""
    draw = np.random.default_rng(seed)
    y, x = _grid(size)
    wide, high, turn = draw.uniform(0.8, 0.92), draw.uniform(0.6, 0.7), draw.uniform(-0.04, 0.04)
    lungs = [(draw.uniform(-0.03, 0.03), side * draw.uniform(0.37, 0.43)) for side in (-1, 1)]
    found = np.empty((slices, size, size))
    for index in range(slices):
        grown = 0.8 + 0.2 * np.sin(np.pi * (index + 1) / (slices + 1))
        image = np.full((size, size), -1000.0)
        image = _over(image, 40, _disc(y, x, (0, 0), (high, wide), turn))
        sides = (0.42 * grown, 0.3 * grown)
        inside = np.zeros((size, size))
        for centre in lungs:
            inside = np.maximum(inside, _disc(y, x, centre, sides, turn))
        image = _over(image, -860, inside)
        image = _over(image, 50, _disc(y, x, (0.08, 0.08), (0.22, 0.17), 0.3))
        image = _over(image, 600, _disc(y, x, (high - 0.2, 0), (0.09, 0.08), 0))
        for _ in range(10):  # vessels: thin, and they go on from the middle outwards
            at = _in_a_lung(draw, lungs, sides, 0.85)
            image = _over(image, 20, _disc(y, x, at, (0.025, draw.uniform(0.025, 0.08)), draw.uniform(0, np.pi)))
        if nodule:
            radius = draw.uniform(0.08, 0.13)
            image = _over(image, 40, _disc(y, x, _in_a_lung(draw, lungs, sides, 0.65), (radius, radius), 0))
        image = ndimage.gaussian_filter(image, place.blur * size / 64)
        found[index] = image + draw.normal(0, 1500 * place.noise, image.shape)
    return found


def head(place: Place, *, size: int, seed: tuple[int, ...], slices: int) -> tuple[Field, NDArray[np.uint8]]:
    """Return a volume `(size, size, slices)` of 0…1 and its mask: 1 is the brain, 2 are lesions in it."""
    draw = np.random.default_rng(seed)
    y, x = _grid(size)
    depth = np.linspace(-0.7, 0.7, slices)
    wide, high, turn = draw.uniform(0.62, 0.7), draw.uniform(0.75, 0.85), draw.uniform(-0.15, 0.15)
    spots = [(*draw.uniform(-0.5, 0.5, 2), draw.uniform(-0.6, 0.6), draw.uniform(0.1, 0.2)) for _ in range(4)]
    image, mask = np.empty((size, size, slices)), np.zeros((size, size, slices), np.uint8)
    for index, z in enumerate(depth):
        grown = np.sqrt(1 - 0.6 * z**2)
        sides = (high * grown, wide * grown)
        brain = _disc(y, x, (0, 0), (sides[0] * 0.84, sides[1] * 0.84), turn)
        plane = _over(np.zeros((size, size)), 0.75, _disc(y, x, (0, 0), sides, turn))
        plane = _over(plane, 0.1, _disc(y, x, (0, 0), (sides[0] * 0.92, sides[1] * 0.92), turn))
        folds = 0.04 * np.sin(14 * x + 5 * z) * np.sin(13 * y - 4 * z)
        plane = _over(plane, 0.45 + folds, brain)
        for side in (-1, 1):  # ventricles
            plane = _over(plane, 0.15, _disc(y, x, (0, side * 0.12), (0.26 * grown, 0.07), turn + side * 0.25))
        mask[brain > 0.5, index] = 1
        for row, column, level, radius in spots:
            if abs(level - z) < 2 * radius:
                own = radius * np.sqrt(1 - ((level - z) / (2 * radius)) ** 2)
                lesion = _disc(y, x, (row, column), (own, own * 0.8), turn) * (brain > 0.5)
                plane = _over(plane, 0.72, lesion)
                mask[lesion > 0.5, index] = 2
        image[:, :, index] = ndimage.gaussian_filter(plane, place.blur * size / 64)
    slope = draw.uniform(-place.field, place.field, 2)
    image *= np.exp(slope[0] * y + slope[1] * x)[:, :, None]
    real, imaginary = draw.normal(0, place.noise, (2, *image.shape))
    return np.hypot(image + real, imaginary), mask  # Rician, as magnitudes in MR are


def smear(place: Place, *, size: int, seed: tuple[int, ...]) -> tuple[Field, list[tuple[str, Box]]]:
    """Return a smear of blood, `(size, size, 3)` of 0…1, and what is in it: `red cell`, `white cell`."""
    draw = np.random.default_rng(seed)
    y, x = _grid(size)
    density = np.zeros((size, size, 3))
    there: list[tuple[str, Box]] = []
    for name in ["white cell"] * int(draw.integers(0, 3)) + ["red cell"] * int(draw.integers(3, 7)):
        radius = draw.uniform(0.24, 0.3) if name == "white cell" else draw.uniform(0.15, 0.19)
        row, column = draw.uniform(radius - 1, 1 - radius, 2)
        left, top, right, bottom = (
            float((edge + 1) * size / 2) for edge in (column - radius, row - radius, column + radius, row + radius)
        )
        box = left, top, right, bottom
        if any(_meet(box, other) for _, other in there):
            continue
        there.append((name, box))
        body = _disc(y, x, (row, column), (radius, radius * draw.uniform(0.94, 1.0)), draw.uniform(0, np.pi))
        if name == "red cell":
            pale = _disc(y, x, (row, column), (radius * 0.45, radius * 0.45), 0)
            density[..., 1] += body * 0.45 - 0.25 * pale
        else:
            density[..., 0] += 0.25 * body
            for angle in draw.uniform(0, 2 * np.pi) + np.arange(3) * 2:
                lobe = (row + 0.35 * radius * np.sin(angle), column + 0.35 * radius * np.cos(angle))
                density[..., 0] = np.maximum(density[..., 0], 1.1 * _disc(y, x, lobe, (radius * 0.42,) * 2, 0))
    soft = ndimage.gaussian_filter(density, (place.blur * size / 64, place.blur * size / 64, 0))
    image = colours(soft * place.stain) * np.array(place.light) + draw.normal(0, place.noise, (size, size, 3))
    return image.clip(0, 1), there


def _grid(size: int) -> tuple[Field, Field]:
    """Return rows and columns of pixels' middles, `(size, size)` each, in -1…1."""
    along = (np.arange(size) + 0.5) * 2 / size - 1
    y, x = np.meshgrid(along, along, indexing="ij")
    return y, x


def _disc(y: Field, x: Field, centre: tuple[Any, Any], sides: tuple[Any, Any], turn: float) -> Field:
    """Return how much of each pixel an ellipse covers, 0…1, with half axes `sides` down and across."""
    down, across = y - centre[0], x - centre[1]
    u = np.cos(turn) * down - np.sin(turn) * across
    v = np.sin(turn) * down + np.cos(turn) * across
    distance = np.hypot(u / sides[0], v / sides[1])
    edge = 2 / len(y) / min(sides)
    covered: Field = np.clip(0.5 + (1 - distance) / edge, 0, 1)
    return covered


def _over(image: Field, value: Any, share: Field) -> Field:
    painted: Field = image * (1 - share) + value * share
    return painted


def _in_a_lung(draw: np.random.Generator, lungs: list[Any], sides: tuple[float, float], within: float) -> Any:
    centre = lungs[int(draw.integers(2))]
    angle, distance = draw.uniform(0, 2 * np.pi), within * np.sqrt(draw.uniform(0.1, 1))
    return centre[0] + sides[0] * distance * np.sin(angle), centre[1] + sides[1] * distance * np.cos(angle)


def _meet(one: Box, other: Box) -> bool:
    return one[0] < other[2] and other[0] < one[2] and one[1] < other[3] and other[1] < one[3]
