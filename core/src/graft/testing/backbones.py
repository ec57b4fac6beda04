"""A backbone that is as small as one can be: real stages, few channels, weights at random."""

from __future__ import annotations

from collections.abc import Sequence

from torch import nn

from graft.backbones.contract import Backbone, BackboneInfo, StageInfo
from graft.backbones.names import stage_names
from graft.preprocess import Preprocess

USUAL = (2, 4, 8, 16, 32)
"""The reductions of the five stages that most networks have."""


def tiny_backbone(reductions: Sequence[int] = USUAL, *, channels: int = 3, size: int = 32) -> Backbone:
    """Return a backbone with a convolution, a batch norm and an activation for each stage.

    The numbers of channels are 7, 10, 13 …: a head that only takes powers of two, or mixes two stages up, fails.

    Args:
        reductions: Input pixels per output pixel of each stage, stem first; each a multiple of the one before it.
        channels: Input channels.
        size: Side of the input in pixels, for its preprocessing.
    """
    stages, infos = [], []
    before, done = channels, 1
    for number, (name, reduction) in enumerate(zip(stage_names(len(reductions)), reductions, strict=True)):
        width, stride = 7 + 3 * number, reduction // done
        stages.append(
            nn.Sequential(nn.Conv2d(before, width, 3, stride=stride, padding=1), nn.BatchNorm2d(width), nn.ReLU())
        )
        infos.append(StageInfo(name=name, channels=width, reduction=reduction))
        before, done = width, reduction
    return Backbone(
        stages=stages,
        tail=nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten()),
        info=BackboneInfo(stages=tuple(infos), embed_dim=before),
        preprocess=Preprocess(size=(size, size), resize="squash", mean=(0.5,) * channels, std=(0.25,) * channels),
    )
