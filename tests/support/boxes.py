"""Small images with known boxes, in the layouts that people have."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

SIZES = {"a.png": (40, 60), "b.png": (30, 30), "c.png": (50, 20)}
"""(H, W) of each image."""


def write_images(folder: Path) -> Path:
    """Write the images, each of one colour with noise."""
    folder.mkdir(parents=True, exist_ok=True)
    for number, (name, (height, width)) in enumerate(SIZES.items()):
        noise = np.random.default_rng(number).integers(0, 255, (height, width, 3), dtype=np.uint8)
        Image.fromarray(noise).save(folder / name)
    return folder


def coco_document() -> dict[str, Any]:
    """Return a document with a gap in its categories, a crowd, a difficult object and an image without objects."""
    return {
        "images": [
            {"id": 7, "file_name": "a.png", "width": 60, "height": 40},
            {"id": 3, "file_name": "b.png", "width": 30, "height": 30},
            {"id": 5, "file_name": "c.png", "width": 20, "height": 50},
        ],
        "annotations": [
            {"id": 1, "image_id": 7, "category_id": 90, "bbox": [10, 5, 20, 30], "area": 450.5, "iscrowd": 0},
            {"id": 2, "image_id": 7, "category_id": 2, "bbox": [0, 0, 60, 40], "area": 2400, "iscrowd": 1},
            {"id": 3, "image_id": 3, "category_id": 2, "bbox": [3.25, 4.5, 10.5, 6.25], "area": 65.625, "iscrowd": 0},
            {"id": 4, "image_id": 3, "category_id": 2, "bbox": [1, 1, 5, 5], "area": 25, "iscrowd": 0, "difficult": 1},
        ],
        "categories": [{"id": 90, "name": "zebra"}, {"id": 2, "name": "bicycle"}],
    }


def write_coco(folder: Path, document: dict[str, Any] | None = None) -> Path:
    """Write images and the document, and return the JSON file."""
    write_images(folder / "images")
    file = folder / "annotations.json"
    file.write_text(json.dumps(coco_document() if document is None else document), encoding="utf-8")
    return file


def write_shapes(folder: Path, n: int = 8, *, size: int = 64, seed: int = 0, empty: int = 1) -> Path:
    """Write n images with bright discs and squares on a dark ground, `empty` of them without, as COCO; return the file.

    All of them are in each of the splits, so that what was learnt by heart is measured.
    """
    rng = np.random.default_rng(seed)
    rows: list[dict[str, Any]] = []
    images = []
    folder.mkdir(parents=True, exist_ok=True)
    for number in range(1, n + 1):
        pixels = rng.integers(0, 60, (size, size, 3), dtype=np.uint8)
        y, x = np.mgrid[:size, :size]
        for half in range(0 if number <= empty else 2):
            side = int(rng.integers(size // 5, size // 3))
            left, top = (
                int(rng.integers(half * size // 2, (half + 1) * size // 2 - side + 1)),
                int(rng.integers(0, size - side)),
            )
            kind = int(rng.integers(2))
            inside = (x >= left) & (x < left + side) & (y >= top) & (y < top + side)
            if kind == 0:
                inside &= (x + 0.5 - left - side / 2) ** 2 + (y + 0.5 - top - side / 2) ** 2 <= side**2 / 4
            pixels[inside] = (230, 200, 60) if kind == 0 else (60, 160, 240)
            rows.append(
                {"id": len(rows) + 1, "image_id": number, "category_id": kind + 1, "bbox": [left, top, side, side]}
            )
        name = f"{number:02}.png"
        Image.fromarray(pixels).save(folder / name)
        images.append({"id": number, "file_name": name, "width": size, "height": size})
    categories = [{"id": 1, "name": "disc"}, {"id": 2, "name": "square"}]
    file = folder / "annotations.json"
    file.write_text(json.dumps({"images": images, "annotations": rows, "categories": categories}), encoding="utf-8")
    return file
