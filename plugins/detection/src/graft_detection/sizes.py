"""The size of an image from its header, upright as it is decoded. Torch-free; no pixel is read."""

from __future__ import annotations

from pathlib import Path

from graft.data.decode import BadImage, size_of


def image_size(path: Path) -> tuple[int, int] | None:
    """Return (H, W) in pixels, or None where the header cannot be read: decoding will say what is wrong with it."""
    try:
        return size_of(path)
    except BadImage:
        return None
