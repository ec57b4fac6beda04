"""A small task whose targets say places: a mask, and a box around what it shows. For what core does with them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor, nn

from graft.data.samples import Sample
from graft.data.spatial import Places


@dataclass(frozen=True)
class Patch:
    """A target, or a prediction: the bright part of an image."""

    given: Places

    def places(self) -> Places:
        return self.given

    def moved(self, places: Places) -> Patch:
        return replace(self, given=places)


def patch_of(image: NDArray[Any]) -> Patch:
    """Return the bright part of `(H, W, C)`."""
    mask = (image[..., 0] > 127).astype(np.uint8)
    ys, xs = np.nonzero(mask)
    boxes = [[xs.min(), ys.min(), xs.max() + 1, ys.max() + 1]] if len(ys) else np.zeros((0, 4))
    size = image.shape[0], image.shape[1]
    return Patch(Places(size=size, boxes=np.array(boxes, np.float32), mask=mask))


def write_patches(folder: Path, sizes: Sequence[tuple[int, int]], *, seed: int = 0) -> list[Sample]:
    """Write black pictures with a white rectangle each, and return them with targets."""
    folder.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(seed)
    samples = []
    for index, (height, width) in enumerate(sizes):
        pixels = np.zeros((height, width, 3), np.uint8)
        top, left = rng.integers(0, height // 2), rng.integers(0, width // 2)
        pixels[top : top + height // 3, left : left + width // 3] = 255
        path = folder / f"{index}.png"
        Image.fromarray(pixels).save(path)
        samples.append(Sample(id=path.name, path=path, target=patch_of(pixels)))
    return samples


def collate(targets: Sequence[Patch]) -> Any:
    return [torch.from_numpy(np.ascontiguousarray(target.given.mask)) for target in targets]


class Maps(nn.Module):
    """Convolutions that keep the size: looks `reach` pixels around each."""

    def __init__(self, reach: int, classes: int = 2) -> None:
        super().__init__()
        self.layers = nn.Conv2d(3, classes, 2 * reach + 1, padding=reach)

    def forward(self, images: Tensor) -> Tensor:
        return self.layers(images.float() / 255)  # type: ignore[no-any-return]
