"""Sample data: fields in two regions, with graded leaves, or with masks of what is ill."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from PIL import Image

from graft.data import SPLITS
from graft_agriculture.leaves import GRADES, PARTS, Field, leaf

_BRIGHT = {"source": 0.9, "target": 0.55}
"""How bright each region is."""
_PLOTS = 10
"""Photographs in a field."""


def write_surveys(out: Path, *, seed: int = 0, size: int = 96, per_class: int = 15) -> int:
    """Write `source` and `target`, each as a survey: `FIELD/plots.csv`, and photographs; and a `README.txt`.

    The same arguments give the same files. Returns the number of images.
    """
    total = 0
    for part in _BRIGHT:
        for split, name, field, rng in _fields(part, seed=seed, images=per_class * len(GRADES)):
            folder = out / part / name
            folder.mkdir(parents=True)
            rows = []
            for plot in range(_PLOTS):
                grade = GRADES[(plot + int(rng.integers(2))) % len(GRADES)]
                Image.fromarray(leaf(field, grade, size=size, rng=rng)[0]).save(folder / f"plot{plot}.png")
                rows.append((f"plot{plot}.png", grade, split))
            with (folder / "plots.csv").open("w", newline="", encoding="utf-8") as file:
                csv.writer(file).writerows([("photo", "grade", "split"), *rows])
            total += len(rows)
    _readme(out, "FIELD/plots.csv grades rust from 0 to 3.", size=size, seed=seed)
    return total


def write_masks(out: Path, *, seed: int = 0, size: int = 96, per_class: int = 15) -> int:
    """Write `source` and `target`, each as `train|val|test/images` and `masks`, and a `README.txt`.

    The same arguments give the same files. Returns the number of images.
    """
    total = 0
    for part in _BRIGHT:
        for split, name, field, rng in _fields(part, seed=seed, images=2 * per_class):
            for kind in ("images", "masks"):
                (out / part / split / kind).mkdir(parents=True, exist_ok=True)
            for plot in range(_PLOTS):
                image, mask = leaf(field, GRADES[1 + plot % 3], size=size, rng=rng)
                for kind, pixels in (("images", image), ("masks", mask)):
                    Image.fromarray(pixels).save(out / part / split / kind / f"{name}-{plot}.png")
            total += _PLOTS
        (out / part / "classes.txt").write_text("\n".join(PARTS) + "\n", encoding="utf-8")
    _readme(out, f"Masks: {', '.join(PARTS)}.", size=size, seed=seed)
    return total


def _fields(part: str, *, seed: int, images: int) -> Iterator[tuple[str, str, Field, np.random.Generator]]:
    """Yield split, name, field, and what its photographs are drawn with; `images` of the target are to train on."""
    train = images * (4 if part == "source" else 1)
    for place, (split, count) in enumerate(zip(SPLITS, (train, images, 4 * _PLOTS), strict=True)):
        for number in range(max(1, count // _PLOTS)):
            rng = np.random.default_rng((seed, list(_BRIGHT).index(part), place, number))
            yield split, f"{part}-{split}{number}", Field.drawn(rng, bright=_BRIGHT[part]), rng


def _readme(out: Path, what: str, *, size: int, seed: int) -> None:
    (out / "README.txt").write_text(_README.format(what=what, size=size, seed=seed), encoding="utf-8")


_README = """\
Leaves with rust, generated. Nobody's licence applies: CC0 1.0.

{what}
source/  many fields of a bright region.
target/  few fields of a dark one.
Size {size} x {size} pixels, seed {seed}.
"""
