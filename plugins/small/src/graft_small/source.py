"""The backbone, from the files beside this module."""

from __future__ import annotations

from pathlib import Path

from graft.backbones import PackagedSource
from graft_small import network as network  # timm knows it from now on


class SmallSource(PackagedSource):
    """A ResNet of 2.8 million parameters with weights of our own; `weights/small.md` is their model card."""

    index = "graft_small:index.txt"
    folder = Path(__file__).parent / "weights"
    distribution = "graft-small"
