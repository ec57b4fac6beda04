"""Writes COCO's JSON. Torch-free."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from graft.data.samples import Catalogue, Sample
from graft_detection.objects import Objects
from graft_detection.writers.images import flat_names, lost, place, renamed, sizes


class CocoWriter:
    """Writes `images/` and one JSON file for each split, or `annotations.json`. Categories are numbered from 1."""

    def write(self, catalogue: Catalogue, out: Path, *, link: bool = False) -> list[str]:
        """Write a data set into the folder `out`, and return what the format cannot hold.

        Raises:
            DataError: When an image is missing, or its size is not known.
        """
        names = flat_names(catalogue.samples)
        shapes = sizes(catalogue.samples)
        documents: dict[str, dict[str, Any]] = {}
        for number, (sample, name, shape) in enumerate(zip(catalogue.samples, names, shapes, strict=True), 1):
            place(sample, out / "images" / name, link=link)
            document = documents.setdefault(sample.split or "annotations", empty(catalogue.classes))
            row = {"id": number, "file_name": name, "width": shape[1], "height": shape[0]}
            document["images"].append(row)
            document["annotations"] += rows_of(
                sample.target, catalogue.classes, image=number, first=len(document["annotations"]) + 1
            )
        for stem, document in documents.items():
            text = json.dumps(document, ensure_ascii=False)
            (out / f"{stem}.json").write_text(text, encoding="utf-8")
        difficult = sum(int(sample.target.difficult.sum()) for sample in catalogue.samples)
        return [
            *lost(difficult, "boxes are difficult: a key of Graft's own says so, which other programs do not know"),
            *losses_of_samples(catalogue.samples, names),
        ]


def empty(classes: Sequence[str]) -> dict[str, Any]:
    """Return a document without images; categories are numbered from 1."""
    categories = [{"id": number, "name": name} for number, name in enumerate(classes, 1)]
    return {"images": [], "annotations": [], "categories": categories}


def rows_of(objects: Objects, classes: Sequence[str], *, image: int, first: int) -> list[dict[str, Any]]:
    """Return one annotation for each object, numbered from `first`."""
    index = {name: number for number, name in enumerate(classes, 1)}
    rows = []
    for number, (box, label) in enumerate(zip(objects.boxes.astype(np.float64), objects.labels, strict=True)):
        left, top, right, bottom = box.tolist()
        row: dict[str, Any] = {
            "id": first + number,
            "image_id": image,
            "category_id": index[label],
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
