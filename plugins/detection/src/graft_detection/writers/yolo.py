"""Writes YOLO's text files. Torch-free."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from graft.data.readers import is_image
from graft.data.samples import SPLITS, Catalogue
from graft.errors import DataError, Problem
from graft_detection.objects import Objects
from graft_detection.writers.coco import losses_of_samples
from graft_detection.writers.images import flat_names, lost, place, sizes
from graft_detection.writers.voc import other_areas


class YoloWriter:
    """Writes `images/<split>/`, `labels/<split>/*.txt` and `data.yaml`. Images without a split go to `train`."""

    def write(self, catalogue: Catalogue, out: Path, *, link: bool = False) -> list[str]:
        """Write a data set into the folder `out`, and return what the format cannot hold.

        Raises:
            DataError: When an image is missing, its size is not known, or its name does not end as images' names do.
        """
        names, shapes = flat_names(catalogue.samples), sizes(catalogue.samples)
        unseen = [Problem(name, "does not end as the name of an image") for name in names if not is_image(name)]
        if unseen:
            raise DataError("YOLO's programs would not find these images", problems=unseen, fix="rename the files")
        index = {name: number for number, name in enumerate(catalogue.classes)}
        crowds, difficult, areas, without = 0, 0, 0, 0
        for sample, name, shape in zip(catalogue.samples, names, shapes, strict=True):
            objects: Objects = sample.target
            split = sample.split or "train"
            without += sample.split is None
            place(sample, out / "images" / split / name, link=link)
            file = out / "labels" / split / f"{Path(name).stem}.txt"
            file.parent.mkdir(parents=True, exist_ok=True)
            single = ~objects.crowd
            boxes = objects.boxes[single]
            numbers = [index[label] for label, one in zip(objects.labels, single, strict=True) if one]
            file.write_text("".join(lines(numbers, boxes, shape)), encoding="utf-8")
            crowds += int(objects.crowd.sum())
            difficult += int((objects.difficult & single).sum())
            areas += other_areas(objects)
        there = [split for split in SPLITS if (out / "images" / split).is_dir()]
        text = "".join(f"{split}: images/{split}\n" for split in there)
        text += "names:\n" + "".join(f"- {_quoted(name)}\n" for name in catalogue.classes) if index else "names: []\n"
        (out / "data.yaml").write_text(text, encoding="utf-8")
        return [
            *lost(crowds, "boxes are crowds, and are left out"),
            *lost(difficult, "boxes are no longer marked as difficult"),
            *lost(areas, "areas of outlines are lost: the boxes' own take their place"),
            *lost(without, "images are in no split, and go to train"),
            *losses_of_samples(catalogue.samples, names),
        ]


def lines(numbers: list[int], boxes: NDArray[np.float32], shape: tuple[int, int]) -> list[str]:
    """Return a line for each box `(N, 4)` in pixels: its class, centre and size in shares of an image of (H, W)."""
    scale = np.array([shape[1], shape[0]], np.float64)
    first, last = boxes[:, :2].astype(np.float64) / scale, boxes[:, 2:].astype(np.float64) / scale
    shares = np.concatenate([(first + last) / 2, last - first], axis=1)
    return [
        f"{number} {' '.join(f'{share:.9f}' for share in row)}\n"
        for number, row in zip(numbers, shares.tolist(), strict=True)
    ]


def _quoted(name: str) -> str:
    """Return a name as YAML's text in quotes."""
    escaped = name.replace("\\", "\\\\").replace('"', '\\"')
    return '"' + "".join(c if c.isprintable() else f"\\U{ord(c):08x}" for c in escaped) + '"'
