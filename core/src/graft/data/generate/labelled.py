"""A labelled image set in two parts, *source* and *target*: the same classes, seen differently. Torch-free.

The class is the pattern; nothing else tells it. In the target part colours are muted, patterns finer, the light more
uneven, more things lie in front, and the camera is worse (blur, noise): a new domain with few labelled images.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFilter

from graft.data.generate.fields import coverage, disc, plane, power_noise, turned
from graft.data.generate.patterns import PATTERNS

CLASSES = tuple(PATTERNS)
SPLITS = ("train", "val", "test")


@dataclass(frozen=True, kw_only=True)
class Look:
    """How a part of the set is seen; pairs are the ranges that are drawn from.

    Args:
        fine: How fine the patterns are.
        saturation: How far colours are from grey.
        contrast: Between the two colours of a pattern, in units of full scale.
        blur: Radius of a Gaussian in pixels, at 64 pixels of size.
        noise: Deviation of the camera's noise, in units of full scale.
        shade: How much the light falls off over the picture.
        spots: Fewest and most things that lie in front.
    """

    fine: tuple[float, float]
    saturation: tuple[float, float]
    contrast: tuple[float, float]
    blur: tuple[float, float]
    noise: tuple[float, float]
    shade: float
    spots: tuple[int, int]


LOOKS: Mapping[str, Look] = {
    "source": Look(
        fine=(0.8, 1.5),
        saturation=(0.3, 1),
        contrast=(0.25, 0.9),
        blur=(0, 0.8),
        noise=(0, 0.04),
        shade=0.4,
        spots=(0, 3),
    ),
    "target": Look(
        fine=(1.1, 1.7),
        saturation=(0, 0.3),
        contrast=(0.25, 0.5),
        blur=(0.3, 1),
        noise=(0.02, 0.05),
        shade=0.6,
        spots=(1, 4),
    ),
}


def labelled_image(part: str, name: str, *, size: int, seed: tuple[int, ...]) -> NDArray[np.uint8]:
    """Return a `(size, size, 3)` image of class `name` as the `part` shows it; a function of its arguments."""
    rng = np.random.default_rng((*seed, CLASSES.index(name), list(LOOKS).index(part), size))
    look = LOOKS[part]
    pattern = np.clip(PATTERNS[name](rng, size, rng.uniform(*look.fine)), -1, 1)
    light, dark = _colours(rng, look)
    image = dark + (light - dark) * (0.5 + 0.5 * pattern[..., None])
    y, x = plane(size)
    for _ in range(rng.integers(look.spots[0], look.spots[1] + 1)):
        v, u = turned(y - np.float32(rng.uniform(-1, 1)), x - np.float32(rng.uniform(-1, 1)), rng.uniform(0, np.pi))
        alpha = coverage(disc(v, u * np.float32(rng.uniform(1, 2)), rng.uniform(0.1, 0.35)))[..., None]
        image = image * (1 - alpha) + _colours(rng, look)[0] * alpha
    _, slope = turned(y, x, rng.uniform(0, 2 * np.pi))
    image = image * (1 + np.float32(rng.uniform(0, look.shade)) * slope[..., None] * np.float32(0.7))
    picture = Image.fromarray(_bytes(image)).filter(ImageFilter.GaussianBlur(rng.uniform(*look.blur) * size / 64))
    grain = rng.uniform(*look.noise) * power_noise(rng, size, alpha=0.0, count=3)
    return _bytes(np.asarray(picture, np.float32) / 255 + np.moveaxis(grain, 0, -1))


def _colours(rng: np.random.Generator, look: Look) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return two colours in a random order, `contrast` apart in brightness."""
    contrast = rng.uniform(*look.contrast)
    middle = rng.uniform(0.2 + contrast / 2, 0.8 - contrast / 2) if contrast < 0.6 else 0.5
    hues = rng.uniform(-0.5, 0.5, (2, 3)) * rng.uniform(*look.saturation)
    hues -= hues.mean(axis=1, keepdims=True)
    first, second = (middle + contrast / 2 + hues[0]), (middle - contrast / 2 + hues[1])
    if rng.integers(2):
        first, second = second, first
    return first.astype(np.float32), second.astype(np.float32)


def _bytes(image: NDArray[np.float32]) -> NDArray[np.uint8]:
    return (np.clip(image, 0, 1) * 255 + 0.5).astype(np.uint8)


def counts(per_class: int) -> Mapping[str, Mapping[str, int]]:
    """Return how many images of each class each split of each part has, for `per_class` target images to train on."""
    return {
        "source": {"train": 6 * per_class, "val": per_class, "test": per_class},
        "target": {"train": per_class, "val": max(2, per_class // 2), "test": 40},
    }


def write_labelled(out: Path, *, seed: int = 0, size: int = 96, per_class: int = 15) -> int:
    """Write `source` and `target`, each as `train|val|test/class/*.png`, and a `README.txt` into the folder `out`.

    The same arguments give the same files, whatever the machine. Returns the number of images.
    """
    total = 0
    for part, splits in counts(per_class).items():
        for split, number in splits.items():
            for name in CLASSES:
                folder = out / part / split / name
                folder.mkdir(parents=True)
                for index in range(number):
                    pixels = labelled_image(part, name, size=size, seed=(seed, SPLITS.index(split), index))
                    Image.fromarray(pixels).save(folder / f"{name}-{index:03d}.png")
                total += number
    (out / "README.txt").write_text(_README.format(size=size, seed=seed, classes=", ".join(CLASSES)), encoding="utf-8")
    return total


_README = """\
Sample images, generated by Graft. Nobody's licence applies: CC0 1.0.

Classes: {classes}.
source/  many images: strong colours, coarse patterns, a good camera.
target/  few images: muted colours, finer patterns, uneven light, more things in front, blur and noise.
Each part is divided into train, val and test. Size {size} x {size} pixels, seed {seed}.
"""
