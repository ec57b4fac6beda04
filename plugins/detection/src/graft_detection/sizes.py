"""The size of an image from its header, upright as it is decoded. Torch-free; no pixel is read."""

from __future__ import annotations

from pathlib import Path

from PIL import Image

_ORIENTATION = 0x0112
_TURNED = frozenset({5, 6, 7, 8})
_FORMATS = ("JPEG", "PNG", "BMP", "GIF", "TIFF", "PPM", "WEBP")


def image_size(path: Path) -> tuple[int, int] | None:
    """Return (H, W) in pixels, or None where the header cannot be read: decoding will say what is wrong with it."""
    try:
        if not path.is_file():
            return None
        with Image.open(path, formats=_FORMATS) as image:
            width, height = image.size
            turned = image.getexif().get(_ORIENTATION, 1) in _TURNED
    except (OSError, ValueError, SyntaxError, TypeError, OverflowError, Image.DecompressionBombError):
        return None
    return (width, height) if turned else (height, width)
