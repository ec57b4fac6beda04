"""What differs between scanners and laboratories: noise, fields, contrast; the colours of stains."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from graft.data import Augmentation
from graft.data.augment import NONE, ImageAugmentation
from graft_medical.options import ScanOptions, StainOptions
from graft_medical.stains import colours, densities

SCAN: Mapping[str, float] = {"scale": 0.8, "elastic": 0.0, "gamma": 0.3, "shift": 0.1, "field": 0.3, "noise": 0.05}
STAIN: Mapping[str, float] = {"scale": 0.8, "elastic": 0.0, "stain": 0.05, "light": 0.1}

Change = Callable[[NDArray[np.float32], np.random.Generator], NDArray[np.float32]]
"""Changes an image `(H, W, C)` in 0…1; the result may leave that range."""


class Varied:
    """Crops, bends and mirrors an image with its places, then changes its values, of which places know nothing.

    Args:
        size: Height and width of the result.
        scale: Smallest share of the area that a crop keeps.
        elastic: Largest displacement by bending, as a share of the sides.
        flips: Whether up and down are alike, too.
        change: What is done to values.
    """

    keeps_targets = True

    def __init__(self, size: tuple[int, int], *, scale: float, elastic: float, flips: bool, change: Change) -> None:
        values = {**NONE, "scale": scale, "elastic": elastic, "flip": True, "vertical_flip": flips}
        self._moved = ImageAugmentation(size, values)
        self._change = change
        self.reach = self._moved.reach

    def __call__(self, image: NDArray[Any], target: Any, seed: int) -> tuple[NDArray[Any], Any]:
        """Return the image, of exactly the network's size, and its target; the same for the same seed."""
        image, target = self._moved(image, target, seed)
        whole = image.dtype == np.uint8
        unit: NDArray[np.float32] = image.astype(np.float32) / np.float32(255 if whole else 1)
        changed = self._change(unit, np.random.default_rng(seed)).clip(0, 1).astype(np.float32)
        return (np.round(changed * 255).astype(np.uint8) if whole else changed), target


class Scanned:
    """Another scanner: gamma, shift and scale of intensities, a smooth bias field, noise (as in nnU-Net, TorchIO)."""

    def __init__(self, values: Mapping[str, float]) -> None:
        self.values = dict(values)

    def __call__(self, image: NDArray[np.float32], draw: np.random.Generator) -> NDArray[np.float32]:
        """Return the image as another scanner might give it."""
        gamma, shift, field, noise = (self.values[key] for key in ("gamma", "shift", "field", "noise"))
        changed = image ** np.float32(np.exp(draw.uniform(-gamma, gamma)))
        changed = changed * np.float32(1 + draw.uniform(-shift, shift)) + np.float32(draw.uniform(-shift, shift))
        if field and draw.random() < 0.5:
            changed = changed * bias_field(image.shape[:2], field, draw)[:, :, None]
        if noise and draw.random() < 0.5:
            spread = np.float32(draw.uniform(0, noise))
            changed = changed + spread * draw.standard_normal(image.shape, np.float32)
        return changed


class Stained:
    """Another laboratory: each stain is taken up more or less (Tellez et al. 2018); other light for grey images."""

    def __init__(self, values: Mapping[str, float]) -> None:
        self.values = dict(values)

    def __call__(self, image: NDArray[np.float32], draw: np.random.Generator) -> NDArray[np.float32]:
        """Return the image as another laboratory might stain it."""
        stain, light = self.values["stain"], self.values["light"]
        if image.shape[2] == 3 and stain:
            density = densities(image) * draw.uniform(1 - stain, 1 + stain, 3)
            image = colours(density + draw.uniform(-stain, stain, 3))
        return image * np.float32(1 + draw.uniform(-light, light))


def bias_field(size: tuple[int, int], strength: float, draw: np.random.Generator) -> NDArray[np.float32]:
    """Return a smooth field `(H, W)` around 1: the exponential of a polynomial of the third degree."""
    rows, columns = np.meshgrid(*(np.linspace(-1, 1, side, dtype=np.float32) for side in size), indexing="ij")
    total = np.zeros(size, np.float32)
    for down in range(4):
        for across in range(4 - down):
            if down or across:
                total += np.float32(draw.uniform(-strength, strength) / (down + across)) * rows**down * columns**across
    field: NDArray[np.float32] = np.exp(total)
    return field


def scan(*, size: tuple[int, int], options: ScanOptions) -> Augmentation:
    """Return an augmentation for scans."""
    values = {**SCAN, **options.model_dump(exclude_none=True)}
    return Varied(size, scale=values["scale"], elastic=values["elastic"], flips=False, change=Scanned(values))


def stain(*, size: tuple[int, int], options: StainOptions) -> Augmentation:
    """Return an augmentation for stained tissue and cells."""
    values = {**STAIN, **options.model_dump(exclude_none=True)}
    return Varied(size, scale=values["scale"], elastic=values["elastic"], flips=True, change=Stained(values))
