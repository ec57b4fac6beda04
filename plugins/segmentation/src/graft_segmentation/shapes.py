"""COCO's outlines as masks: polygons, run lengths, and run lengths written as text. Torch-free."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from graft.data.coco import is_integer, is_number
from graft.data.decoder import STANDARD, Decoder
from graft_segmentation.masks import BadMask, image_size, stacked

_FINER = 4
"""Polygons are drawn so many times larger, and a pixel is inside when half of it is."""


@dataclass(frozen=True)
class Shapes:
    """The outlines in an image.

    Args:
        shapes: Class name and COCO's `segmentation` of each object, in the order of the file.
        sides: (H, W) of the image.
        background: The class of what none covers; None where such pixels count nowhere.
        where: The file, and which image in it.
        image: The image.
        decoder: Knows its size.
    """

    shapes: tuple[tuple[str, Any], ...]
    sides: tuple[int, int]
    background: str | None
    where: str
    image: Path
    decoder: Decoder = field(default=STANDARD, repr=False)

    def read(self, index: Mapping[str, int], *, multi: bool) -> NDArray[np.uint8]:
        """See `MaskSource`: where objects overlap and a pixel has one class, the later one in the file is in front."""
        planes: dict[str, NDArray[np.bool_]] = {}
        for name, segmentation in self.shapes:
            try:
                inside = filled(segmentation, self.sides)
            except ValueError as error:
                raise BadMask(f"{self.where}: {error}") from error
            if not multi:
                for other in planes.values():
                    other &= ~inside
            planes[name] = planes[name] | inside if name in planes else inside
        return stacked(planes, self.sides, index, multi=multi, background=self.background, where=self.where)

    def size(self) -> tuple[int, int]:
        """See `MaskSource`."""
        return image_size(self.image, self.decoder)


def filled(segmentation: Any, size: tuple[int, int]) -> NDArray[np.bool_]:
    """Return the pixels that a COCO `segmentation` covers, `(H, W)`.

    Args:
        segmentation: Polygons `[[x1, y1, x2, y2, …], …]`, or `{"size": [H, W], "counts": […] or text}`.
        size: (H, W) of the image.

    Raises:
        ValueError: When it is neither, or of another size.
    """
    if isinstance(segmentation, Mapping):
        lengths = _runs(segmentation, size)
        values = np.arange(len(lengths)) % 2 == 1
        return np.repeat(values, lengths).reshape(size[1], size[0]).T
    polygons = _polygons(segmentation)
    inside = np.zeros(size, bool)
    # What lies around the polygons alone: an image may be large, and an object in it small.
    points = np.concatenate(polygons)
    left, top = np.clip(np.floor(points.min(axis=0)), 0, size[::-1]).astype(int)
    right, bottom = np.clip(np.ceil(points.max(axis=0)), 0, size[::-1]).astype(int)
    if right > left and bottom > top:
        height, width = bottom - top, right - left
        picture = Image.new("L", (width * _FINER, height * _FINER))
        draw = ImageDraw.Draw(picture)
        for polygon in polygons:
            # Pillow takes the middle of a pixel for its coordinate.
            draw.polygon([tuple(point) for point in (polygon - (left, top)) * _FINER - 0.5], fill=1)
        parts = np.asarray(picture).reshape(height, _FINER, width, _FINER)
        inside[top:bottom, left:right] = parts.mean(axis=(1, 3)) >= 0.5
    return inside


def check_outline(segmentation: Any, size: tuple[int, int]) -> None:
    """Raise a ValueError, as `filled` does, without drawing anything."""
    if isinstance(segmentation, Mapping):
        _runs(segmentation, size)
    else:
        _polygons(segmentation)


def _polygons(segmentation: Any) -> list[NDArray[np.float64]]:
    """Return the corners of polygons, `(N, 2)` each, x and y."""
    if not isinstance(segmentation, Sequence) or isinstance(segmentation, str) or not segmentation:
        raise ValueError("a segmentation is neither a list of polygons nor run lengths")
    for polygon in segmentation:
        if not isinstance(polygon, Sequence) or len(polygon) < 6 or len(polygon) % 2:
            raise ValueError("a polygon has three points at least, as x and y")
        if not all(map(is_number, polygon)):
            raise ValueError("a polygon has something that is no finite number")
    return [np.asarray(polygon, np.float64).reshape(-1, 2) for polygon in segmentation]


def _runs(segmentation: Mapping[str, Any], size: tuple[int, int]) -> list[int]:
    given, counts = segmentation.get("size"), segmentation.get("counts")
    if given != list(size):
        raise ValueError(f"run lengths are for {given}, and the image is {list(size)} (height, width)")
    if not isinstance(counts, str | list):
        raise ValueError("run lengths are neither a list nor a text")
    lengths = decoded_counts(counts) if isinstance(counts, str) else counts
    if not all(is_integer(length) and length >= 0 for length in lengths) or sum(lengths) != size[0] * size[1]:
        raise ValueError(f"run lengths do not add up to the image's {size[0] * size[1]} pixels")
    return lengths


def decoded_counts(text: str) -> list[int]:
    """Return the run lengths in COCO's text: five bits a character; from the fourth on relative to that two before.

    Raises:
        ValueError: When the text is none.
    """
    found: list[int] = []
    value = shift = 0
    for character in text:
        bits = ord(character) - 48
        if not 0 <= bits < 64:
            raise ValueError("run lengths as text have a character that is none of theirs")
        value |= (bits & 31) << shift
        shift += 5
        if not bits & 32:
            if bits & 16:
                value -= 1 << shift
            found.append(value + (found[-2] if len(found) > 2 else 0))
            value = shift = 0
    if shift:
        raise ValueError("run lengths as text break off")
    return found
