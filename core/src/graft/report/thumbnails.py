"""Image files as small pictures inside a page."""

from __future__ import annotations

import base64
import io
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from graft.data.decode import BadImage, decode

_SIDE = 208
_QUALITY = 82


def thumbnail(path: Path) -> str | None:
    """Return an image file as a `data:` URI of a JPEG with sides of at most 208 pixels, or None if it is unreadable."""
    try:
        pixels = decode(path)
    except BadImage:
        return None
    if pixels.dtype != np.uint8:
        pixels = np.round(pixels * 255).astype(np.uint8)
    return small(pixels)


def small(pixels: NDArray[np.uint8]) -> str:
    """Return `(H, W, 3)` pixels as such a URI."""
    picture = Image.fromarray(pixels)
    picture.thumbnail((_SIDE, _SIDE))
    buffer = io.BytesIO()
    picture.save(buffer, "JPEG", quality=_QUALITY)
    return f"data:image/jpeg;base64,{base64.b64encode(buffer.getvalue()).decode()}"
