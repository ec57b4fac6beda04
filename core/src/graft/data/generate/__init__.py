"""Generated images, free of anyone's licence: what the embedded backbone was pretrained on, and the sample data sets."""

from __future__ import annotations

from graft.data.generate.leaves import dead_leaves

__all__ = ["dead_leaves"]
