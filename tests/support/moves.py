"""Sequences whose class is a matter of order: a square grows, or shrinks. Each frame alone may be of either class."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

CLASSES = ("grows", "shrinks")


def write_moves(root: Path, per_class: int = 20, *, seed: int = 0, sizes: tuple[int, int] = (4, 9)) -> Path:
    """Write `class/clipNN/frameN.png`, 24 pixels wide; the number of frames is between the two `sizes`."""
    for label, name in enumerate(CLASSES):
        for number in range(per_class):
            draws = np.random.default_rng([seed, label, number])
            frames = [_frame(side, draws) for side in np.linspace(3, 19, draws.integers(*sizes)).round().astype(int)]
            folder = root / name / f"clip{number:02}"
            folder.mkdir(parents=True)
            for place, frame in enumerate(frames if name == "grows" else frames[::-1]):
                Image.fromarray(frame).save(folder / f"frame{place}.png")
    return root


def _frame(side: int, draws: np.random.Generator) -> np.ndarray:
    pixels = draws.normal(60, 20, (24, 24, 3))
    top, left = draws.integers(0, 24 - side, 2)
    pixels[top : top + side, left : left + side] += 120
    return np.clip(pixels, 0, 255).astype(np.uint8)
