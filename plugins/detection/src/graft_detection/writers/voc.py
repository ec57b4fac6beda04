"""Writes Pascal VOC. Torch-free."""

from __future__ import annotations

import math
from collections import defaultdict
from pathlib import Path
from xml.sax.saxutils import escape

import numpy as np
from numpy.typing import NDArray

from graft.data.samples import Catalogue
from graft_detection.objects import Objects
from graft_detection.writers.coco import losses_of_samples
from graft_detection.writers.images import check_names, flat_names, lost, place, sizes


class VocWriter:
    """Writes `JPEGImages/`, `Annotations/*.xml` and `ImageSets/Main/*.txt`. The first pixel has the number 1."""

    def write(self, catalogue: Catalogue, out: Path, *, link: bool = False) -> list[str]:
        """Write a data set into the folder `out`, and return what the format cannot hold.

        Raises:
            DataError: When an image is missing, its size is not known, or a class has a name that XML cannot hold.
        """
        check_names(catalogue, "XML")
        names, shapes = flat_names(catalogue.samples), sizes(catalogue.samples)
        lists: dict[str, list[str]] = defaultdict(list)
        (out / "Annotations").mkdir(parents=True)
        crowds, rounded, farthest, areas = 0, 0, 0.0, 0
        for sample, name, shape in zip(catalogue.samples, names, shapes, strict=True):
            place(sample, out / "JPEGImages" / name, link=link)
            objects: Objects = sample.target
            corners = pixels(objects, shape)
            moved = np.abs(_edges(corners) - objects.boxes).max(axis=1, initial=0)
            rounded += int((moved > 1e-3).sum())
            farthest = max(farthest, float(moved.max(initial=0)))
            crowds += int(objects.crowd.sum())
            areas += other_areas(objects)
            text = _document(name, shape, objects, corners)
            (out / "Annotations" / f"{Path(name).stem}.xml").write_text(text, encoding="utf-8")
            if sample.split:
                lists[sample.split].append(Path(name).stem)
        for split, own in lists.items():
            file = out / "ImageSets" / "Main" / f"{split}.txt"
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text("".join(f"{stem}\n" for stem in own), encoding="utf-8")
        unused = set(catalogue.classes) - {name for sample in catalogue.samples for name in sample.target.labels}
        return [
            *lost(rounded, f"boxes are rounded to whole pixels, by up to {farthest:.2g} pixels"),
            *lost(crowds, "boxes are crowds, and become difficult objects"),
            *lost(areas, "areas of outlines are lost: the boxes' own take their place"),
            *lost(len(unused), "classes have no objects, and are lost"),
            *losses_of_samples(catalogue.samples, names),
        ]


def pixels(objects: Objects, shape: tuple[int, int]) -> NDArray[np.int64]:
    """Return `(N, 4)` the first and last pixels of each box, from 1.

    Edges go to the nearest pixel's, so that none moves by more than half a pixel, unless a box is narrower than one. A
    box of a single pixel becomes two pixels long: readers take a single one for a slip of the hand.
    """
    limits = shape[1], shape[0]
    rows = []
    for box in objects.boxes.tolist():
        spans = [_span(box[axis], box[axis + 2], limits[axis]) for axis in (0, 1)]
        if all(last - first == 1 for first, last in spans):
            axis = 0 if limits[0] > 1 else 1
            first, last = spans[axis]
            spans[axis] = (first, last + 1) if last < limits[axis] else (max(0, first - 1), last)
        (left, right), (top, bottom) = spans
        rows.append([left + 1, top + 1, right, bottom])
    return np.array(rows, np.int64).reshape(-1, 4)


def _span(first: float, last: float, limit: int) -> tuple[int, int]:
    """Return the nearest whole edges that are a pixel apart or more."""
    low, high = math.floor(first + 0.5), math.floor(last + 0.5)
    if high <= low:
        low = min(math.floor((first + last) / 2), limit - 1)
        high = low + 1
    return low, high


def other_areas(objects: Objects) -> int:
    """Return how many areas are not their boxes' own."""
    sides = objects.boxes[:, 2:] - objects.boxes[:, :2]
    return int((np.abs(sides.prod(axis=1) - objects.areas) > 1e-3 * objects.areas + 1e-3).sum())


def _edges(corners: NDArray[np.int64]) -> NDArray[np.int64]:
    edges: NDArray[np.int64] = corners - np.array([1, 1, 0, 0])
    return edges


def _document(name: str, shape: tuple[int, int], objects: Objects, corners: NDArray[np.int64]) -> str:
    rows = [
        "<annotation>",
        f"\t<filename>{escape(name)}</filename>",
        f"\t<size><width>{shape[1]}</width><height>{shape[0]}</height><depth>3</depth></size>",
    ]
    hard = objects.difficult | objects.crowd
    for label, (left, top, right, bottom), difficult in zip(objects.labels, corners.tolist(), hard, strict=True):
        rows += [
            "\t<object>",
            f"\t\t<name>{escape(label)}</name>",
            f"\t\t<difficult>{int(difficult)}</difficult>",
            f"\t\t<bndbox><xmin>{left}</xmin><ymin>{top}</ymin><xmax>{right}</xmax><ymax>{bottom}</ymax></bndbox>",
            "\t</object>",
        ]
    return "\n".join([*rows, "</annotation>", ""])
