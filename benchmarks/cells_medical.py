"""Medicine's cells of `domains.py`.

No set names its patients: cells are divided at random, smears as they come, slices of one tissue in a row.
"""

from __future__ import annotations

import csv
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from cell import SCRATCH, Cell
from segmentation import READERS, prepared

SMEARS = {"domain.kind": "medical", "augment.kind": "stain"}
SCANS = {"domain.kind": "medical", "augment.kind": "scan"}


def cells_of_blood(out: Path, data: Path) -> Path:
    """Return a table of the white cells, without the one basophil: a single image cannot be in every split."""
    file = out / "wbc1.csv"
    folder = data / "medical/wbc1"
    if not file.exists():
        with (folder / "labels.csv").open(newline="") as opened:
            rows = [(folder.absolute() / "images" / row["image"], row["class"]) for row in csv.DictReader(opened)]
        names = [name for _, name in rows]
        with file.open("w", newline="") as opened:
            csv.writer(opened).writerows([("path", "label"), *(row for row in rows if names.count(row[1]) > 1)])
    return file


def arms(preset: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
    """Return the three arms of every cell."""
    return {"task default": {}, "domain preset": preset, "from scratch": SCRATCH}


def cells(out: Path, data: Path) -> dict[str, Cell]:
    """Return a domain's cells by name."""
    return {
        "wbc1": Cell(
            recipe={
                "task": "classification",
                "data.train": str(cells_of_blood(out, data)),
                "data.split.val": 0.2,
                "data.split.test": 0.3,
                "backbone.size": 96,
                "train.batch": 16,
            },
            arms=arms(SMEARS),
            epochs=12,
        ),
        "bccd": Cell(
            recipe={
                "task": "detection",
                "data.train": str(data / "medical/bccd"),
                "data.reader.kind": "voc",
                "backbone.size": 160,
                "head.kind": "ssd",
                "head.width": 64,
                "train.batch": 8,
            },
            arms=arms(SMEARS),
            epochs=8,
        ),
        "isbi_em": Cell(
            recipe={
                "task": "segmentation",
                "data.train": str(prepared(out, "membranes")),
                "data.reader": READERS["membranes"],
                "data.split.by": "given",
                "head.kind": "unet",
                "head.width": 8,
                "backbone.size": 160,
                "train.batch": 8,
            },
            arms=arms(SCANS),
            epochs=6,
        ),
        "wbc1_masks": Cell(
            recipe={
                "task": "segmentation",
                "data.train": str(data / "medical/wbc1"),
                "data.reader.kind": "masks",
                "data.reader.classes": {"background": 0, "cytoplasm": 128, "nucleus": 255},
                "data.split.val": 0.2,
                "data.split.test": 0.3,
                "head.kind": "unet",
                "head.width": 8,
                "backbone.size": 96,
                "train.batch": 16,
            },
            arms=arms(SMEARS),
            epochs=8,
        ),
    }
