"""Writes COCO's JSON. Torch-free."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from itertools import count
from pathlib import Path
from typing import Any

import numpy as np

from graft.data.samples import Catalogue, Sample
from graft_detection.objects import Objects
from graft_detection.writers.images import flat_names, lost, place, renamed, sizes


class CocoWriter:
    """Writes `images/` and one JSON file for each split, or `annotations.json`.

    Categories have the numbers that they have in the source, where it numbers them, else they are numbered from 1.
    """

    def write(self, catalogue: Catalogue, out: Path, *, link: bool = False) -> list[str]:
        """Write a data set into the folder `out`, and return what the format cannot hold.

        Raises:
            DataError: When an image is missing, or its size is not known.
        """
        names = flat_names(catalogue.samples)
        shapes = sizes(catalogue.samples)
        numbers = numbered(catalogue.classes, catalogue.numbers)
        documents: dict[str, dict[str, Any]] = {}
        for number, (sample, name, shape) in enumerate(zip(catalogue.samples, names, shapes, strict=True), 1):
            place(sample, out / "images" / name, link=link)
            document = documents.setdefault(sample.split or "annotations", empty(numbers))
            row = {"id": number, "file_name": name, "width": shape[1], "height": shape[0]}
            document["images"].append(row)
            first = len(document["annotations"]) + 1
            document["annotations"] += rows_of(sample.target, numbers, image=number, first=first)
        for stem, document in documents.items():
            text = json.dumps(document, ensure_ascii=False)
            (out / f"{stem}.json").write_text(text, encoding="utf-8")
        difficult = sum(int(sample.target.difficult.sum()) for sample in catalogue.samples)
        return [
            *lost(difficult, "boxes are difficult: a key of Graft's own says so, which other programs do not know"),
            *losses_of_samples(catalogue.samples, names),
        ]


def numbered(classes: Sequence[str], known: Mapping[str, int]) -> dict[str, int]:
    """Return the number of each category: the one that it has in the data it comes from, else the next free one."""
    free = (number for number in count(1) if number not in known.values())
    return {name: known[name] if name in known else next(free) for name in classes}


def empty(numbers: Mapping[str, int]) -> dict[str, Any]:
    """Return a document without images."""
    categories = [{"id": number, "name": name} for name, number in sorted(numbers.items(), key=lambda item: item[1])]
    return {"images": [], "annotations": [], "categories": categories}


def rows_of(objects: Objects, numbers: Mapping[str, int], *, image: int, first: int) -> list[dict[str, Any]]:
    """Return one annotation for each object, numbered from `first`."""
    rows = []
    for number, (box, label) in enumerate(zip(objects.boxes.astype(np.float64), objects.labels, strict=True)):
        left, top, right, bottom = box.tolist()
        row: dict[str, Any] = {
            "id": first + number,
            "image_id": image,
            "category_id": numbers[label],
            "bbox": [left, top, right - left, bottom - top],
            "area": float(objects.areas[number]),
            "iscrowd": int(objects.crowd[number]),
        }
        if objects.difficult[number]:
            row["difficult"] = 1
        rows.append(row)
    return rows


def losses_of_samples(samples: Sequence[Sample], names: Sequence[str]) -> list[str]:
    """Return what samples have that no format of boxes but a table holds; `names` are those of their files."""
    grouped = sum(sample.group is not None for sample in samples)
    timed = sum(sample.time is not None for sample in samples)
    return [*lost(grouped, "images lose their group"), *lost(timed, "images lose their time"), *renamed(samples, names)]
