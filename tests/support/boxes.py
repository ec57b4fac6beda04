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
