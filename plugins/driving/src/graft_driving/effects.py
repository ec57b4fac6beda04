"""Weather, light and cameras: what they do to a picture, by how strong they are. Functions of picture, strength, seed.

The same effects vary training images (`graft_driving.augment`) and test a model (`graft_driving.robustness`). None
moves a pixel by much, so masks and boxes stay as they are. Lenses and compression are albumentations'; rain, fog,
night and noise are simple models of light.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

# Before the import: albumentations asks the network for a newer version of itself otherwise.
os.environ["NO_ALBUMENTATIONS_UPDATE"] = "1"
import albumentations as A
from PIL import Image, ImageDraw

Picture = NDArray[np.uint8]
Effect = Callable[[Picture, float, int], Picture]
"""Of a picture `(H, W, 3)` uint8, a strength in 0…1 and a seed: the picture after it, of the same size."""

_SIDE = 256
"""The shorter side of a picture, in pixels, for which lengths below are meant."""
_LEAST = 0.4
"""The least factor by which they become shorter."""


def rain(image: Picture, strength: float, seed: int) -> Picture:
    """Return the picture in rain: bright streaks, all nearly parallel, less light and less contrast.

    Of albumentations' RandomRain, whose kinds of rain have streaks of fixed lengths, little is left of a small image.
    """
    rng = np.random.default_rng(seed)
    height, width = image.shape[:2]
    length = (6 + 14 * strength) * _scale(image)
    drops = round((0.02 + 0.08 * strength) * height * width / length)
    slant = np.deg2rad(rng.uniform(-15, 15))
    start = rng.uniform(0, 1, (drops, 2)) * (width, height + length) - (0, length)
    own = length * rng.uniform(0.5, 1, (drops, 1))
    end = start + own * (np.sin(slant), np.cos(slant))
    layer = Image.new("L", (width, height))
    draw = ImageDraw.Draw(layer)
    for line, light in zip(np.concatenate([start, end], axis=1).tolist(), rng.integers(60, 160, drops), strict=True):
        draw.line(line, fill=int(light), width=max(1, round(_scale(image))))
    streaks = np.asarray(layer, np.float64)[:, :, None] / 255 * (0.5 + 0.5 * strength)
    veiled = image * (1 - 0.3 * strength) + 25 * strength
    return _bytes(veiled * (1 - streaks) + 215 * streaks)


def fog(image: Picture, strength: float, seed: int) -> Picture:
    """Return the picture in fog: the further away, the more of its light is the air's (Koschmieder 1924).

    What is far is taken to be near the horizon, a bit above the middle, as a camera behind a windscreen has it.
    """
    rng = np.random.default_rng(seed)
    horizon = rng.uniform(0.35, 0.5)
    rows = np.linspace(0, 1, image.shape[0])
    # A flat road comes nearer as 1 / (distance of its row from the horizon); the sky is far away.
    depth = np.where(rows > horizon, 1 / (1 + 12 * (rows - horizon)), 1.0)
    through = np.exp(-3.0 * strength * depth)[:, None, None]
    air = 255 * rng.uniform(0.72, 0.88) * np.array([0.98, 1.0, 1.02])
    return _bytes(image * through + air * (1 - through))


def glare(image: Picture, strength: float, seed: int) -> Picture:
    """Return the picture against a low sun (albumentations' RandomSunFlare), which also takes contrast away."""
    side = min(image.shape[:2])
    flared = _drawn(
        A.RandomSunFlare(
            flare_roi=(0.1, 0.1, 0.9, 0.45),
            src_radius=max(2, round(side * (0.15 + 0.5 * strength))),
            num_flare_circles_range=(1, 2 + round(4 * strength)),
            p=1,
        ),
        image,
        seed,
    )
    veil = 0.35 * strength
    return _bytes(flared * (1 - veil) + 255 * veil)


def night(image: Picture, strength: float, seed: int) -> Picture:
    """Return the picture at dusk or night: less light, less colour, bluish, and noise of the few photons left."""
    rng = np.random.default_rng(seed)
    light = (image / 255.0) ** (1 + 0.6 * strength) * (1 - 0.8 * strength)
    grey = light.mean(axis=2, keepdims=True)
    light = (light + (grey - light) * 0.5 * strength) * (1 + np.array([-0.1, 0.0, 0.15]) * strength)
    light += rng.normal(0, 1, light.shape) * (0.02 * strength + 0.08 * strength * np.sqrt(light.clip(0)))
    return _bytes(light * 255)


def motion_blur(image: Picture, strength: float, seed: int) -> Picture:
    """Return the picture blurred along a line (albumentations' MotionBlur)."""
    length = max(3, round((2 + 14 * strength) * _scale(image))) | 1
    return _drawn(A.MotionBlur(blur_limit=(length, length), allow_shifted=False, p=1), image, seed)


def defocus(image: Picture, strength: float, seed: int) -> Picture:
    """Return the picture out of focus (albumentations' Defocus)."""
    radius = max(1, round((1 + 4 * strength) * _scale(image)))
    return _drawn(A.Defocus(radius=(radius, radius), alias_blur=(0.1, 0.1), p=1), image, seed)


def noise(image: Picture, strength: float, seed: int) -> Picture:
    """Return the picture with a sensor's noise: of photons, and of electronics the same everywhere."""
    rng = np.random.default_rng(seed)
    light = image / 255.0
    spread = strength * (0.08 + 0.15 * np.sqrt(light))
    return _bytes(255 * (light + rng.normal(0, 1, light.shape) * spread))


def jpeg(image: Picture, strength: float, seed: int) -> Picture:
    """Return the picture after strong compression (albumentations' ImageCompression)."""
    quality = round(45 - 38 * strength)
    return _drawn(A.ImageCompression(quality_range=(quality, quality), p=1), image, seed)


EFFECTS: Mapping[str, Effect] = {
    "rain": rain,
    "fog": fog,
    "glare": glare,
    "night": night,
    "motion_blur": motion_blur,
    "defocus": defocus,
    "noise": noise,
    "jpeg": jpeg,
}
"""All of them by name."""


def applies_to(image: NDArray[Any]) -> bool:
    """Return whether effects are defined for an image: colours of 8 bits."""
    return image.dtype == np.uint8 and image.ndim == 3 and image.shape[2] == 3


def _drawn(transform: Any, image: Picture, seed: int) -> Picture:
    transform.set_random_seed(seed % 2**32)
    changed: Picture = transform(image=np.ascontiguousarray(image))["image"]
    return changed


def _scale(image: Picture) -> float:
    # Cut-out signs are small because they are far away: what blurs them is no smaller.
    return float(max(min(image.shape[:2]) / _SIDE, _LEAST))


def _bytes(values: NDArray[Any]) -> Picture:
    whole: Picture = np.rint(values.clip(0, 255)).astype(np.uint8)
    return whole
