"""The satellite domain's cells of `domains.py`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from cell import SCRATCH, Cell
from numpy.typing import NDArray
from PIL import Image
from segmentation import READERS, prepared

ARMS: Mapping[str, Mapping[str, Any]] = {
    "task default": {},
    "domain preset": {"domain.kind": "satellite", "augment.kind": "overhead"},
    "with light, haze, noise": {"domain.kind": "satellite", "augment.kind": "overhead-strong"},
    "from scratch": SCRATCH,
}
PLACES = {"DJI": "train", "MOS1": "train", "MOS7": "val", "MOS8": "val", "Munich": "test", "harlem": "test"}
"""Frames of one place are all but the same, so that places are held out; by the beginnings of their files' names."""
TILE, WHOLE = 224, 0.5
"""Pixels on a tile's side, and the share of a vehicle that must be in it."""


def vehicles(out: Path, data: Path) -> Path:
    """Return tiles of `aerial_cars` with vehicles, all of one class, in YOLO's layout; films at half their size."""
    folder = out / "vehicles"
    if not folder.exists():
        for file in sorted((data / "satellite/aerial_cars/images").iterdir()):
            split = next(split for start, split in PLACES.items() if file.name.startswith(start))
            with Image.open(file) as opened:
                scale = 0.5 if opened.height >= 720 else 1.0
                image = opened.resize((round(opened.width * scale), round(opened.height * scale)))
            lines = (file.parents[1] / "labels" / f"{file.stem}.txt").read_text().splitlines()
            boxes = np.array([line.split()[1:] for line in lines], float).reshape(-1, 4)
            boxes[:, :2] -= boxes[:, 2:] / 2
            boxes[:, 2:] += boxes[:, :2]
            for number, (tile, found) in enumerate(tiles(image, boxes * [*image.size, *image.size])):
                place = folder / "images" / split / f"{file.stem}-{number:02d}.png"
                labels = folder / "labels" / split / f"{place.stem}.txt"
                for path in (place, labels):
                    path.parent.mkdir(parents=True, exist_ok=True)
                tile.save(place)
                centres = np.hstack([(found[:, :2] + found[:, 2:]) / 2, found[:, 2:] - found[:, :2]])
                rows = (centres / (tile.size * 2)).round(6).tolist()
                labels.write_text("".join(f"0 {' '.join(map(str, row))}\n" for row in rows))
        (folder / "data.yaml").write_text("train: images/train\nval: images/val\ntest: images/test\nnames: [vehicle]\n")
    return folder / "data.yaml"


def tiles(image: Image.Image, boxes: NDArray[Any]) -> Iterator[tuple[Image.Image, NDArray[Any]]]:
    """Yield each tile with vehicles, and their boxes cut at its edge, x1 y1 x2 y2 in its pixels."""
    columns, rows = (max(1, round(side / TILE)) for side in image.size)
    for row in range(rows):
        for column in range(columns):
            left, right = (round(image.width * edge / columns) for edge in (column, column + 1))
            top, bottom = (round(image.height * edge / rows) for edge in (row, row + 1))
            cut = boxes.clip([left, top, left, top], [right, bottom, right, bottom])
            kept = (cut[:, 2:] - cut[:, :2]).prod(axis=1) >= WHOLE * (boxes[:, 2:] - boxes[:, :2]).prod(axis=1)
            if kept.any():
                yield image.crop((left, top, right, bottom)), cut[kept] - [left, top, left, top]


def cells(out: Path, data: Path) -> dict[str, Cell]:
    """Return a domain's cells by name."""
    return {
        "rsscn7": Cell(
            recipe={
                "task": "classification",
                "data.train": str(data / "satellite/rsscn7"),
                "data.reader": {"kind": "folder", "class_level": 2},
                "data.split": {"by": "stratified", "val": 0.15, "test": 0.35},
                # Its folders are two scales of the same kinds of places: an image has to do with no other.
                "data.group": "(.*)",
                "backbone.size": 112,
                "train.batch": 16,
            },
            arms=ARMS,
            epochs=10,
        ),
        "aerial_cars": Cell(
            recipe={
                "task": "detection",
                "data.train": str(vehicles(out, data)),
                "backbone.size": TILE,
                "head.kind": "ssd",
                "head.width": 64,
                "train.batch": 8,
            },
            arms=ARMS,
            epochs=12,
        ),
        "eth_roads": Cell(
            recipe={
                "task": "segmentation",
                "data.train": str(prepared(out, "roads")),
                "data.reader": READERS["roads"],
                "data.split.by": "given",
                "head.kind": "unet",
                "head.width": 8,
                "backbone.size": 160,
                "train.batch": 8,
            },
            arms=ARMS,
            epochs=24,
        ),
    }
