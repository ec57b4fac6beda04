"""What is done about boxes that do not fit their image, the same in every format, and counted. Torch-free."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from graft.data.coco import wrong_size
from graft.errors import Problem
from graft_detection.objects import Objects
from graft_detection.sizes import image_size

_NAMED = 3

KINDS: Mapping[str, str] = {
    "clipped": "boxes reach out of their image, and are cut at its edge",
    "outside": "boxes lie outside of their image, and are left out",
    "empty": "boxes have no width or no height, and are left out",
    "thin": "boxes begin and end in the same column or row, and are taken as one pixel wide or high",
    "orphan": "annotations belong to no image, and are left out",
    "crowd": "boxes are crowds: they are no targets, and what is found in them does not count",
    "difficult": "boxes are marked as difficult: they are trained on, and do not count",
    "polygon": "outlines are taken as the boxes around them",
    "unlabelled": "images have no label file: they are taken as images without objects",
    "stray": "label files belong to no image",
}
"""What is counted while reading, and how it is said."""


@dataclass
class Tally:
    """What was done about odd annotations: how often, and where the first ones are."""

    places: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))
    counts: dict[str, int] = field(default_factory=lambda: defaultdict(int))

    def add(self, kind: str, place: str) -> None:
        """Count one of `KINDS`."""
        self.counts[kind] += 1
        if len(self.places[kind]) < _NAMED:
            self.places[kind].append(place)

    def notes(self) -> list[str]:
        """Return a sentence for each kind that occurred."""
        notes = []
        for kind, text in KINDS.items():
            if count := self.counts[kind]:
                more = " …" if count > _NAMED else ""
                notes.append(f"{count} {text} ({', '.join(self.places[kind])}{more})")
        return notes


@dataclass
class Collector:
    """Gathers the objects of one image, and says what is wrong with them.

    Args:
        size: (H, W) of the image, or None when it is not known: boxes are then taken as they are.
        tally: Counts what is changed or left out.
        problems: Takes what cannot be used.
    """

    size: tuple[int, int] | None
    tally: Tally
    problems: list[Problem]
    boxes: list[tuple[float, float, float, float]] = field(default_factory=list)
    labels: list[str] = field(default_factory=list)
    crowd: list[bool] = field(default_factory=list)
    difficult: list[bool] = field(default_factory=list)
    areas: list[float] = field(default_factory=list)

    def add(
        self,
        where: str,
        label: str,
        box: tuple[float, float, float, float],
        *,
        crowd: bool = False,
        difficult: bool = False,
        area: float | None = None,
    ) -> None:
        """Add an object: left, top, right, bottom in pixels.

        A box whose right is left of its left, or with a value that is no finite number, is a mistake. One of zero width
        or height, or outside of the image, is left out, and one that reaches out is cut; all of them are counted.
        """
        left, top, right, bottom = box
        if not all(math.isfinite(value) for value in box):
            self.problems.append(Problem(where, f"a box with a value that is no finite number: {_text(box)}"))
            return
        if right < left or bottom < top:
            what = f"a box that ends before it begins: {_text(box)}"
            self.problems.append(Problem(where, what, "left, top, right, bottom"))
            return
        if right == left or bottom == top:
            self.tally.add("empty", where)
            return
        whole = (right - left) * (bottom - top)
        if self.size is not None:
            height, width = self.size
            cut = (max(left, 0.0), max(top, 0.0), min(right, float(width)), min(bottom, float(height)))
            if cut[2] <= cut[0] or cut[3] <= cut[1]:
                self.tally.add("outside", where)
                return
            # A thousandth of a pixel is rounding, of shares written with a few digits.
            if max(abs(a - b) for a, b in zip(cut, box, strict=True)) > 1e-3:
                self.tally.add("clipped", where)
            box = cut
        if _empty(box):
            self.tally.add("empty", where)
            return
        inside = (box[2] - box[0]) * (box[3] - box[1])
        for kind, is_so in (("crowd", crowd), ("difficult", difficult)):
            if is_so:
                self.tally.add(kind, where)
        self.boxes.append(box)
        self.labels.append(label)
        self.crowd.append(crowd)
        self.difficult.append(difficult)
        self.areas.append(inside if area is None else area * inside / whole)

    def objects(self) -> Objects:
        """Return what was added."""
        return Objects.of(
            self.boxes,
            self.labels,
            crowd=self.crowd,
            difficult=self.difficult,
            areas=self.areas,
            size=self.size,
        )


def true_size(
    path: Path, said: tuple[int, int] | None, *, where: str, problems: list[Problem]
) -> tuple[int, int] | None:
    """Return (H, W) of an image: the file's own, and what the annotation says where the file cannot be read.

    A file of another size than its annotation says is a mistake: nobody knows then what the boxes mean.
    """
    own = image_size(path)
    if own is None:
        return said
    if said is not None and (problem := wrong_size(path, said, own, where=where)) is not None:
        problems.append(problem)
    return own


def _empty(box: tuple[float, float, float, float]) -> bool:
    """Return whether a box has no width or no height as it is kept: in 32 bits."""
    left, top, right, bottom = np.array(box, np.float32)
    return bool(right <= left or bottom <= top)


def _text(box: tuple[float, float, float, float]) -> str:
    return ", ".join(f"{value:g}" for value in box)
