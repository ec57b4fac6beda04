"""The small backbone that is part of Graft: a timm network with weights of our own, pretrained on generated images.

`weights/tiny.md` says how they were made, what they are worth, and where they are not enough.
"""

from __future__ import annotations

from pathlib import Path

from graft.backbones.packaged import PackagedSource


class EmbeddedSource(PackagedSource):
    """Networks whose weights are inside the package: no network, no licence but Graft's own."""

    index = "graft.backbones:graft.txt"
    folder = Path(__file__).parent / "weights"
    distribution = "graft-core"
