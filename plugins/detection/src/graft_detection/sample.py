"""Sample data: images with things of several shapes in them, and boxes around them. Torch-free."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFilter

from graft_detection.objects import Objects
from graft_detection.writers.coco import empty, numbered, rows_of

CLASSES = ("disc", "square", "triangle")
NUMBERS = numbered(CLASSES, {})
SPLITS = ("train", "val", "test")
_PARTS = {"source": (40, 0.45, 0.02), "target": (40, 0.28, 0.03)}
"""Of each part: test images, contrast of the things to the ground, and noise."""
_OVER = 4
_FREE = 0.1
"""Share of a box that another one may cover."""


def detected_image(part: str, *, size: int, seed: tuple[int, ...]) -> tuple[NDArray[np.uint8], Objects]:
    """Return an image `(size, size, 3)` and the things in it, none to four; a function of the arguments."""
    rng = np.random.default_rng((*seed, list(_PARTS).index(part), size))
    _, contrast, noise = _PARTS[part]
    ground = rng.uniform(0.3, 0.7, 3)
    y, x = np.mgrid[:size, :size] / size
    shade = 0.12 * (x * rng.uniform(-1, 1) + y * rng.uniform(-1, 1))[..., None]
    image = ground + shade
    boxes: list[list[float]] = []
    labels = []
    # One image of eight is empty.
    for _ in range(int(rng.integers(1, 5)) * bool(rng.integers(8))):
        side = float(rng.uniform(0.14, 0.34)) * size
        left, top = rng.uniform(0, size - side, 2).tolist()
        box = [left, top, left + side, top + side]
        if any(_covered(box, other) > _FREE for other in boxes):
            continue
        name = CLASSES[int(rng.integers(len(CLASSES)))]
        colour = ground + contrast * rng.choice([-1.0, 1.0]) * rng.uniform(0.7, 1.0, 3)
        alpha = _shape(name, box, size)[..., None]
        image = image * (1 - alpha) + colour * alpha
        rows, columns = np.flatnonzero(alpha.max(axis=(1, 2)) > 0.5), np.flatnonzero(alpha.max(axis=(0, 2)) > 0.5)
        boxes.append([float(columns[0]), float(rows[0]), float(columns[-1] + 1), float(rows[-1] + 1)])
        labels.append(name)
    picture = Image.fromarray((np.clip(image, 0, 1) * 255).astype(np.uint8))
    picture = picture.filter(ImageFilter.GaussianBlur(0.3 * size / 96))
    pixels = np.asarray(picture, np.float64) / 255 + rng.normal(0, noise, (size, size, 3))
    return (np.clip(pixels, 0, 1) * 255).astype(np.uint8), Objects.of(boxes, labels, size=(size, size))


def write_detected(out: Path, *, seed: int = 0, size: int = 96, per_class: int = 15) -> int:
    """Write `source` and `target`, each as `images/` and a COCO file for each split, and a `README.txt` into a folder.

    The same arguments give the same files. A class is in about every second image, so that there are three times
    `per_class` target images to train on. Returns the number of images.
    """
    total = 0
    for part, (test, *_) in _PARTS.items():
        (out / part / "images").mkdir(parents=True)
        train = 3 * per_class * (3 if part == "source" else 1)
        for split, number in zip(SPLITS, (train, max(4, per_class), test), strict=True):
            document: dict[str, Any] = empty(NUMBERS)
            for index in range(number):
                pixels, objects = detected_image(part, size=size, seed=(seed, SPLITS.index(split), index))
                name = f"{split}-{index:03d}.png"
                Image.fromarray(pixels).save(out / part / "images" / name)
                document["images"].append({"id": index + 1, "file_name": name, "width": size, "height": size})
                first = len(document["annotations"]) + 1
                document["annotations"] += rows_of(objects, NUMBERS, image=index + 1, first=first)
            (out / part / f"{split}.json").write_text(json.dumps(document), encoding="utf-8")
            total += number
    (out / "README.txt").write_text(_README.format(size=size, seed=seed, classes=", ".join(CLASSES)), encoding="utf-8")
    return total


def _shape(name: str, box: list[float], size: int) -> NDArray[np.float64]:
    """Return how much of each pixel a thing covers, `(size, size)` in 0…1."""
    picture = Image.new("L", (size * _OVER, size * _OVER))
    draw = ImageDraw.Draw(picture)
    left, top, right, bottom = (edge * _OVER for edge in box)
    if name == "disc":
        draw.ellipse((left, top, right, bottom), fill=255)
    elif name == "square":
        draw.rectangle((left, top, right, bottom), fill=255)
    else:
        draw.polygon([((left + right) / 2, top), (right, bottom), (left, bottom)], fill=255)
    covered: NDArray[np.float64] = np.asarray(picture.resize((size, size), Image.Resampling.BOX), np.float64) / 255
    return covered


def _covered(box: list[float], other: list[float]) -> float:
    """Return the share of `other` that `box` covers."""
    wide = min(box[2], other[2]) - max(box[0], other[0])
    high = min(box[3], other[3]) - max(box[1], other[1])
    return max(wide, 0) * max(high, 0) / ((other[2] - other[0]) * (other[3] - other[1]))


_README = """\
Sample images, generated by Graft. Nobody's licence applies: CC0 1.0.

Classes: {classes}. Boxes: train.json, val.json and test.json in COCO's format.
source/  many images: things that stand out, a good camera.
target/  few images: things of nearly the ground's colour, and noise.
Some images have nothing in them. Size {size} x {size} pixels, seed {seed}.
"""
