"""Image files as small pictures inside a page."""

from __future__ import annotations

import base64
import io
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from graft.data.decode import BadImage
from graft.data.decoder import STANDARD

if TYPE_CHECKING:
    from graft.data.decoder import Decoder
    from graft.data.samples import Sample
    from graft.tasks.contract import Task

_SIDE = 208
_QUALITY = 82


def shown(
    sample: Sample, prediction: Any | None = None, *, decoder: Decoder, task: Task | None = None, target: Any = None
) -> NDArray[np.uint8] | None:
    """Return the picture of a sample with what its task draws into it, `(H, W, 3)`; None when it cannot be read.

    Args:
        sample: An image, or a sequence, whose first frame is shown.
        prediction: What was predicted; None shows alone what is true.
        decoder: Reads the image.
        task: Draws; without one the image is shown as it is.
        target: What is true, as the task's `encode` gave it.
    """
    try:
        picture = decoder.picture(sample.path)
    except BadImage:
        return None
    drawn = None if task is None else task.draw(picture, prediction, target)
    return picture if drawn is None else drawn


def thumbnail(path: Path) -> str | None:
    """Return a usual image file as `small` does, or None if it is unreadable."""
    try:
        return small(STANDARD.picture(path))
    except BadImage:
        return None


def small(pixels: NDArray[np.uint8]) -> str:
    """Return `(H, W, 3)` pixels as a `data:` URI of a JPEG with sides of at most 208 pixels."""
    picture = Image.fromarray(pixels)
    picture.thumbnail((_SIDE, _SIDE))
    buffer = io.BytesIO()
    picture.save(buffer, "JPEG", quality=_QUALITY)
    return f"data:image/jpeg;base64,{base64.b64encode(buffer.getvalue()).decode()}"
