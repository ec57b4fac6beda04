"""A backbone with a head, and the numeric part of preprocessing inside."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Literal

import torch
from torch import Tensor, nn

from graft.backbones.contract import Backbone
from graft.preprocess import Preprocess
from graft.tasks.contract import Features, Head, Outputs


@dataclass(frozen=True)
class Activations:
    """What the first pieces of a model gave for images: stands in their place, and the rest goes on from there.

    Args:
        parts: `(B, …)` each: all that the pieces from `start` on need, as `Model.prefix` gives it.
        start: How many pieces gave it.
        image_size: (H, W) of the images in pixels.
    """

    parts: tuple[Tensor, ...]
    start: int
    image_size: tuple[int, int]

    def to(self, device: torch.device | str, non_blocking: bool = False) -> Activations:
        """Return them on `device`."""
        return self.mapped(lambda part: part.to(device, non_blocking=non_blocking))

    def pin_memory(self) -> Activations:
        """Return them in page-locked memory."""
        return self.mapped(lambda part: part.pin_memory())

    def mapped(self, function: Callable[[Tensor], Tensor]) -> Activations:
        """Return them with `function` applied to each part."""
        return replace(self, parts=tuple(map(function, self.parts)))

    def __len__(self) -> int:
        return len(self.parts[0])


class Model(nn.Module):
    """The network of a run, from pixels to a head's outputs.

    Args:
        backbone: Its `preprocess` says how pixels are normalised.
        head: Gets what it `needs`, `embedding` or `pyramid`.
    """

    mean: Tensor
    std: Tensor

    def __init__(self, backbone: Backbone, head: Head, needs: Literal["embedding", "pyramid"]) -> None:
        super().__init__()
        self.backbone = backbone
        self.head = head
        self.needs = needs
        preprocess = backbone.preprocess
        self.reverse_channels = preprocess.channel_order == "bgr"
        # Not in the state dict: they belong to the preprocessing, which the bundle records.
        self.register_buffer("mean", torch.tensor(preprocess.mean).view(1, -1, 1, 1), persistent=False)
        self.register_buffer("std", torch.tensor(preprocess.std).view(1, -1, 1, 1), persistent=False)

    def normalise(self, images: Tensor) -> Tensor:
        """Return `(B, C, H, W)` uint8 0…255 or float 0…1 RGB images as the backbone's input."""
        return _normalised(images, self.mean, self.std, reverse=self.reverse_channels)

    @property
    def depth(self) -> int:
        """How many pieces come before the head: the stages, and with an embedding the layers behind the last one."""
        return len(self.backbone.stages) + (self.needs == "embedding")

    def pieces(self) -> list[nn.Module]:
        """Return these pieces, in the order in which they run."""
        return [*self.backbone.stages, self.backbone.tail][: self.depth]

    def prefix(self, images: Tensor, upto: int) -> tuple[Tensor, ...]:
        """Return what the first `upto` pieces give for `(B, C, H, W)` images, uint8 0…255 or float 0…1.

        It is all that the other pieces need: the last one's output, or each stage's where the head needs a pyramid.
        """
        return self._run((self.normalise(images),), 0, upto)

    def features(self, x: Tensor) -> Features:
        """Return what the head needs of normalised images."""
        return self._features(self._run((x,), 0, self.depth))

    def forward(self, images: Tensor | Activations) -> Outputs:
        """Return the head's raw outputs for `(B, C, H, W)` images, uint8 0…255 or float 0…1.

        From what `prefix` gave for the images they are the same, to the last bit in eval mode.
        """
        if isinstance(images, Activations):
            features = self._features(self._run(images.parts, images.start, self.depth))
            return self.head(features, images.image_size)  # type: ignore[no-any-return]
        height, width = images.shape[-2:]
        return self.head(self.features(self.normalise(images)), (height, width))  # type: ignore[no-any-return]

    def _run(self, given: tuple[Tensor, ...], start: int, upto: int) -> tuple[Tensor, ...]:
        """Return what the pieces up to `upto` give, from what those before `start` gave, or from normalised images."""
        backbone, stages = self.backbone, len(self.backbone.stages)
        if self.needs == "pyramid":
            maps = given if start else ()
            for stage in range(start, upto):
                given = (backbone.between(given[-1], stage, stage + 1),)
                maps += given
            return maps if upto else given
        h = backbone.between(given[-1], start, min(upto, stages))
        return (backbone.tail(h) if start <= stages < upto else h,)

    def _features(self, given: tuple[Tensor, ...]) -> Features:
        return Features(embedding=given[0]) if self.needs == "embedding" else Features(pyramid=given)


def normalised(images: Tensor, preprocess: Preprocess) -> Tensor:
    """Return `(B, C, H, W)` uint8 0…255 or float 0…1 RGB images as a backbone of this preprocessing takes them."""
    mean, std = (
        torch.tensor(values, device=images.device).view(1, -1, 1, 1) for values in (preprocess.mean, preprocess.std)
    )
    return _normalised(images, mean, std, reverse=preprocess.channel_order == "bgr")


def _normalised(images: Tensor, mean: Tensor, std: Tensor, *, reverse: bool) -> Tensor:
    x = images.to(mean.dtype) / 255 if images.dtype == torch.uint8 else images
    return ((x.flip(1) if reverse else x) - mean) / std
