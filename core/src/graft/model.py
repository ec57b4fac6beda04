"""A backbone with a head, and the numeric part of preprocessing inside."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor, nn

from graft.backbones.contract import Backbone
from graft.tasks.contract import Features, Head, Outputs


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
        x = images.to(self.mean.dtype) / 255 if images.dtype == torch.uint8 else images
        if self.reverse_channels:
            x = x.flip(1)
        return (x - self.mean) / self.std

    def features(self, x: Tensor) -> Features:
        """Return what the head needs of normalised images."""
        if self.needs == "embedding":
            return Features(embedding=self.backbone.embed(x))
        return Features(pyramid=tuple(self.backbone.pyramid(x)))

    def forward(self, images: Tensor) -> Outputs:
        """Return the head's raw outputs for `(B, C, H, W)` images, uint8 0…255 or float 0…1."""
        height, width = images.shape[-2:]
        return self.head(self.features(self.normalise(images)), (height, width))  # type: ignore[no-any-return]
