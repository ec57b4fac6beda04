"""Small photographs made in code, in the layouts that people have."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

COLOURS = {"apple": (200, 40, 40), "leaf": (40, 170, 60), "sky": (60, 110, 210)}


def picture(colour: tuple[int, int, int], seed: int, size: int = 40) -> Image.Image:
    """Return a noisy picture of about one colour."""
    rng = np.random.default_rng(seed)
    noise = rng.normal(0, 25, (size, size, 3))
    return Image.fromarray(np.clip(np.array(colour) + noise, 0, 255).astype(np.uint8))


def write_photos(root: Path, per_class: int = 10, seed: int = 0) -> Path:
    """Write a folder of class folders; another seed gives other pictures of the same names."""
    for label, (name, colour) in enumerate(COLOURS.items()):
        (root / name).mkdir(parents=True)
        for index in range(per_class):
            picture(colour, 10_000 * seed + 1000 * label + index).save(root / name / f"{name}-{index:02}.png")
    return root
