"""Writes a table of boxes. Torch-free."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

from graft.data.samples import Catalogue
from graft_detection.objects import Objects
from graft_detection.writers.images import check_names, flat_names, lost, place, renamed
from graft_detection.writers.voc import other_areas

_COLUMNS = ("path", "label", "xmin", "ymin", "xmax", "ymax", "crowd", "difficult", "split", "group", "time")


class BoxTableWriter:
    """Writes `images/` and `boxes.csv`, with a row for each object, and one for each image without."""

    def write(self, catalogue: Catalogue, out: Path, *, link: bool = False) -> list[str]:
        """Write a data set into the folder `out`, and return what the format cannot hold.

        Raises:
            DataError: When an image is missing, or a class has a name with control characters or space around it.
        """
        check_names(catalogue, "A table")
        names = flat_names(catalogue.samples)
        rows: list[list[Any]] = []
        areas = 0
        for sample, name in zip(catalogue.samples, names, strict=True):
            place(sample, out / "images" / name, link=link)
            objects: Objects = sample.target
            areas += other_areas(objects)
            rest = [sample.split or "", sample.group or "", sample.time or ""]
            for number, label in enumerate(objects.labels):
                edges = [f"{edge:.9g}" for edge in objects.boxes[number].tolist()]
                flags = [int(objects.crowd[number]), int(objects.difficult[number])]
                rows.append([f"images/{name}", label, *edges, *flags, *rest])
            if not len(objects):
                rows.append([f"images/{name}", *[""] * 7, *rest])
        with (out / "boxes.csv").open("w", encoding="utf-8", newline="") as file:
            csv.writer(file).writerows([_COLUMNS, *rows])
        unused = set(catalogue.classes) - {name for sample in catalogue.samples for name in sample.target.labels}
        return [
            *lost(areas, "areas of outlines are lost: the boxes' own take their place"),
            *lost(len(unused), "classes have no objects, and are lost"),
            *renamed(catalogue.samples, names),
        ]
