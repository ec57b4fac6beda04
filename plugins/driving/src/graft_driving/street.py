"""Streets that are drawn: a drive through things that come nearer from frame to frame. Torch-free."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFilter

from graft_driving.classes import CAMVID

NUMBER = {name: number for number, name in enumerate(CAMVID.classes)}
"""The classes of a scene's mask, by name: CamVid's."""

_OBJECTS = {"Car": "car", "Pedestrian": "pedestrian", "Bicyclist": "bicycle", "SignSymbol": "traffic sign"}
"""Of these there are boxes, by BDD100K's names."""

_OVER = 2
_HORIZON = 0.42
_FIRST, _LAST = 1.3, 4.3
"""The nearest and the furthest that things are, in lengths at which the camera sees one metre as its whole height."""

Colour = tuple[int, int, int]
Points = Sequence[tuple[float, float]]


@dataclass(frozen=True)
class Light:
    """How a part of the data looks: brightness, how blue it is, and the camera's noise."""

    bright: float
    blue: float
    noise: float


LIGHTS = {"source": Light(1.0, 0.0, 4.0), "target": Light(0.55, 0.25, 9.0)}
"""Sunny days with a good camera; and dusk with a worse one."""


@dataclass(frozen=True)
class Scene:
    """One frame.

    Args:
        pixels: `(size, size, 3)` uint8.
        mask: `(size, size)` uint8 of `NUMBER`.
        boxes: Left, top, right, bottom in pixels, and the name, of each object that can be seen.
    """

    pixels: NDArray[np.uint8]
    mask: NDArray[np.uint8]
    boxes: list[tuple[tuple[float, float, float, float], str]]


class Drive:
    """A street with its things, seen from a car.

    Args:
        part: `source` or `target`.
        size: Side of its frames in pixels.
        seed: Of everything; the same arguments give the same frames.
    """

    def __init__(self, part: str, *, size: int, seed: tuple[int, ...]) -> None:
        self.light = LIGHTS[part]
        self.size = size
        self.seed = (*seed, list(LIGHTS).index(part), size)
        rng = np.random.default_rng(self.seed)
        self.plain = {name: _colour(rng, base, 18) for name, base in _COLOURS.items()}
        self.walls = [(side, z, _colour(rng, (120, 95, 85), 45)) for side in (-1, 1) for z in (6.5, 4.6, 3.2, 2.2)]
        kinds = ["Tree", "Fence", "SignSymbol", "Car", "Pedestrian", "Bicyclist"]
        things = [*kinds, *(kinds[i] for i in rng.integers(0, len(kinds), 4))]
        # From -1 at the left edge of the road to 1 at its right one; beyond it is pavement.
        places = {"Car": (0.15, 0.75), "Bicyclist": (0.75, 0.95), "Pedestrian": (1.1, 1.5), "SignSymbol": (1.1, 1.25)}
        self.things = [
            (
                kind,
                float(rng.choice([-1.0, 1.0]) * rng.uniform(*places.get(kind, (1.5, 1.9)))),
                float(rng.uniform(_FIRST, _LAST)),
                _colour(rng, _COLOURS[kind], 60 if kind in ("Car", "Pedestrian", "Bicyclist") else 15),
            )
            for kind in things
        ]

    def frame(self, number: int) -> Scene:
        """Return the frame at a time: things are 0.35 nearer with each, and come again from afar."""
        rng = np.random.default_rng((*self.seed, number))
        side = self.size * _OVER
        canvas = _Canvas(side, self.plain)
        canvas.ground()
        for at, z, colour in self.walls:
            canvas.house(at, z, colour)
        span = _LAST - _FIRST
        now = [(kind, x, _FIRST + (z - _FIRST - 0.35 * number) % span, colour) for kind, x, z, colour in self.things]
        boxes = []
        for kind, x, z, colour in sorted(now, key=lambda thing: -thing[2]):
            box = canvas.thing(kind, x, z, colour)
            if kind in _OBJECTS:
                boxes.append((box, _OBJECTS[kind]))
        picture = canvas.picture.resize((self.size, self.size), Image.Resampling.BOX)
        pixels = np.asarray(picture.filter(ImageFilter.GaussianBlur(0.4)), np.float64) * self.light.bright
        pixels *= 1 + self.light.blue * np.array([-0.3, 0.0, 0.4])
        pixels += rng.normal(0, self.light.noise, pixels.shape)
        mask = np.asarray(canvas.mask.resize((self.size, self.size), Image.Resampling.NEAREST))
        return Scene(np.rint(pixels.clip(0, 255)).astype(np.uint8), mask.copy(), self._inside(boxes))

    def _inside(
        self, boxes: list[tuple[tuple[float, float, float, float], str]]
    ) -> list[tuple[tuple[float, float, float, float], str]]:
        """Return boxes in the frame's pixels, cut at its edge, without those of which less than a pixel is left."""
        kept = []
        for box, name in boxes:
            left, top, right, bottom = (min(max(edge / _OVER, 0.0), float(self.size)) for edge in box)
            if right - left >= 1 and bottom - top >= 1:
                kept.append(((left, top, right, bottom), name))
        return kept


_COLOURS: dict[str, Colour] = {
    "Sky": (150, 185, 225),
    "Road": (92, 92, 96),
    "Pavement": (150, 140, 140),
    "Tree": (55, 110, 50),
    "Fence": (150, 110, 70),
    "Pole": (60, 60, 65),
    "SignSymbol": (215, 60, 50),
    "Car": (130, 40, 40),
    "Pedestrian": (170, 90, 60),
    "Bicyclist": (60, 90, 170),
}


class _Canvas:
    """A picture and its mask, drawn together."""

    def __init__(self, side: int, plain: dict[str, Colour]) -> None:
        self.side, self.plain = side, plain
        self.picture = Image.new("RGB", (side, side), plain["Sky"])
        self.mask = Image.new("L", (side, side), NUMBER["Sky"])
        self._draw, self._label = ImageDraw.Draw(self.picture), ImageDraw.Draw(self.mask)

    def ground(self) -> None:
        """Draw the road, its pavements and a line."""
        self.polygon("Pavement", [self.at(x, z) for x, z in ((-2.2, 0.6), (-2.2, 9), (2.2, 9), (2.2, 0.6))])
        self.polygon("Road", [self.at(x, z) for x, z in ((-1, 0.6), (-1, 9), (1, 9), (1, 0.6))])
        for z in (1.2, 2.0, 3.0, 4.4):
            points = [self.at(x, w) for x, w in ((-0.03, z), (-0.03, z + 0.4), (0.03, z + 0.4), (0.03, z))]
            self._draw.polygon(points, fill=(225, 225, 225))

    def house(self, side: int, z: float, colour: Colour) -> None:
        """Draw a house beside the street, its near wall at a distance."""
        near, far = self.at(side * 2.2, z), self.at(side * 2.2, z + 2.0)
        up_near, up_far = self.side * 1.3 / z, self.side * 1.3 / (z + 2.0)
        edge = (0.0 if side < 0 else float(self.side), near[1])
        outline = [
            edge,
            near,
            far,
            (far[0], far[1] - up_far),
            (near[0], near[1] - up_near),
            (edge[0], edge[1] - up_near),
        ]
        self.polygon("Building", outline, colour)

    def thing(self, kind: str, x: float, z: float, colour: Colour) -> tuple[float, float, float, float]:
        """Draw a thing that stands on the ground, and return its box in the canvas's pixels."""
        foot = self.at(x, z)
        unit = self.side * 0.75 / z
        wide, high = {
            "Car": (0.75, 0.55),
            "Pedestrian": (0.22, 0.62),
            "Bicyclist": (0.4, 0.6),
            "SignSymbol": (0.3, 0.3),
            "Tree": (0.75, 1.2),
            "Fence": (1.2, 0.35),
        }[kind]
        left, right, bottom = foot[0] - wide * unit / 2, foot[0] + wide * unit / 2, foot[1]
        top = bottom - high * unit
        if kind == "SignSymbol":
            post = max(1.0, 0.04 * unit)
            self.box("Pole", (foot[0] - post, bottom - 0.9 * unit, foot[0] + post, bottom))
            left, top, right, bottom = left, bottom - 1.1 * unit, right, bottom - 0.8 * unit
            self.round(kind, (left, top, right, bottom), colour)
        elif kind == "Tree":
            self.box("Tree", (foot[0] - 0.06 * unit, top, foot[0] + 0.06 * unit, bottom), (80, 60, 40))
            self.round(kind, (left, top, right, bottom - 0.4 * unit), colour)
        elif kind == "Pedestrian":
            self.box(kind, (left, top + 0.16 * unit, right, bottom), colour)
            self.round(kind, (foot[0] - 0.09 * unit, top, foot[0] + 0.09 * unit, top + 0.18 * unit), (200, 160, 130))
        elif kind == "Bicyclist":
            for centre in (left + 0.1 * unit, right - 0.1 * unit):
                self.round(kind, (centre - 0.1 * unit, bottom - 0.2 * unit, centre + 0.1 * unit, bottom), (25, 25, 25))
            self.box(kind, (foot[0] - 0.09 * unit, top, foot[0] + 0.09 * unit, bottom - 0.1 * unit), colour)
        elif kind == "Car":
            self.box(kind, (left, top + 0.2 * unit, right, bottom), colour)
            self.box(kind, (left + 0.12 * unit, top, right - 0.12 * unit, top + 0.22 * unit), (70, 85, 100))
        else:
            self.box(kind, (left, top, right, bottom), colour)
        return left, top, right, bottom

    def at(self, x: float, z: float) -> tuple[float, float]:
        """Return where a point of the ground is seen."""
        return self.side * (0.5 + 0.5 * x / z), self.side * (_HORIZON + 0.5 / z)

    def polygon(self, name: str, points: Points, colour: Colour | None = None) -> None:
        self._draw.polygon(points, fill=colour or self.plain[name])
        self._label.polygon(points, fill=NUMBER[name])

    def box(self, name: str, corners: tuple[float, float, float, float], colour: Colour | None = None) -> None:
        self._draw.rectangle(corners, fill=colour or self.plain[name])
        self._label.rectangle(corners, fill=NUMBER[name])

    def round(self, name: str, corners: tuple[float, float, float, float], colour: Colour) -> None:
        self._draw.ellipse(corners, fill=colour)
        self._label.ellipse(corners, fill=NUMBER[name])


def _colour(rng: np.random.Generator, base: Colour, spread: int) -> Colour:
    red, green, blue = (int(value) for value in np.clip(np.array(base) + rng.integers(-spread, spread + 1, 3), 0, 255))
    return red, green, blue
