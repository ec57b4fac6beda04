"""Sample data: dead leaves without labels. Torch-free."""

from __future__ import annotations

from pathlib import Path

from PIL import Image

from graft.data import SPLITS
from graft_pretraining.generators import draw

_PARTS = ("dead-leaves", "textures")
_README = """Generated images without labels, {size} pixels, seed {seed}: dead leaves in source, textures in target.

graft pretrain train {folder}/source
"""


def write_images(out: Path, *, seed: int = 0, size: int = 64, per_class: int = 15) -> int:
    """Write `source` and `target`, each with train, val and test, and a `README.txt` into a folder.

    There are eight times `per_class` images to train on. The same arguments give the same files.

    Returns:
        The number of images.
    """
    numbers = (8 * per_class, max(4, per_class), max(4, per_class))
    for part, kind in zip(("source", "target"), _PARTS, strict=True):
        index = 0
        for split, count in zip(SPLITS, numbers, strict=True):
            folder = out / part / split
            folder.mkdir(parents=True)
            for number in range(count):
                Image.fromarray(draw(kind, index, size=size, seed=seed)).save(folder / f"{number:04d}.png")
                index += 1
    (out / "README.txt").write_text(_README.format(size=size, seed=seed, folder=out.name), encoding="utf-8")
    return 2 * sum(numbers)
