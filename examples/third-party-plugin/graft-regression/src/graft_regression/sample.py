"""Sample data: discs on a ground; the number is the share of the image that they cover, in percent."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from graft.data import SPLITS

_GROUNDS = {"source": (0.2, 0.4), "target": (0.35, 0.6)}
"""How bright the ground is: in the target part it stands out less from the discs."""


def write_values(out: Path, *, seed: int = 0, size: int = 96, per_class: int = 15) -> int:
    """Write `source` and `target`, each as `values.csv` with images beside it, and a `README.txt`.

    The same arguments give the same files. Returns the number of images.
    """
    total = 0
    for number, part in enumerate(_GROUNDS):
        (out / part / "images").mkdir(parents=True)
        rows = []
        train = per_class * (16 if part == "source" else 1)
        for place, (split, count) in enumerate(zip(SPLITS, (train, max(8, per_class), 40), strict=True)):
            for index in range(count):
                pixels, cover = disc_image(part, size=size, seed=(seed, number, place, index))
                name = f"images/{split}-{index:03d}.png"
                Image.fromarray(pixels).save(out / part / name)
                rows.append((name, f"{cover:.2f}", split))
        with (out / part / "values.csv").open("w", newline="", encoding="utf-8") as file:
            csv.writer(file).writerows([("path", "value", "split"), *rows])
        total += len(rows)
    (out / "README.txt").write_text(_README.format(size=size, seed=seed), encoding="utf-8")
    return total


def disc_image(part: str, *, size: int, seed: tuple[int, ...]) -> tuple[NDArray[np.uint8], float]:
    """Return `(size, size, 3)` pixels, and the share that the discs cover, in percent."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:size, :size] / size
    covered = np.zeros((size, size), bool)
    for _ in range(rng.integers(1, 9)):
        row, column = rng.random(2)
        covered |= np.hypot(y - row, x - column) < rng.uniform(0.05, 0.2)
    ground = rng.uniform(*_GROUNDS[part]) + rng.uniform(-0.08, 0.08, 3)
    image = np.where(covered[..., None], np.array([0.25, 0.7, 0.3]) + rng.uniform(-0.1, 0.1, 3), ground)
    image += rng.normal(scale=0.04, size=image.shape)
    return (np.clip(image, 0, 1) * 255).round().astype(np.uint8), float(100 * covered.mean())


_README = """\
Discs on a ground, generated. Nobody's licence applies: CC0 1.0.

values.csv says the share of each image that discs cover, in percent.
source/  many images: a dark ground.
target/  few images: a brighter one.
Size {size} x {size} pixels, seed {seed}.
"""
