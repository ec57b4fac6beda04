"""Images that are already in memory, with the meaning that `decode` gives to those in files. Torch-free."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from graft.data.decode import BadImage


def from_array(image: NDArray[Any], *, channels: int = 3) -> NDArray[Any]:
    """Return an image as `(H, W, channels)`, uint8 0…255, or float32 0…1 when it has more than 8 bits.

    Args:
        image: `(H, W)`, `(H, W, 1)` or `(H, W, channels)`; uint8, uint16 0…65535, or floating-point 0…1. Grey is
            repeated over the channels.
        channels: Of the result.

    Raises:
        BadImage: For another shape, another type, or values beyond the range.
    """
    if image.ndim == 2:
        image = image[:, :, None]
    if image.ndim != 3 or image.shape[2] not in (1, channels) or 0 in image.shape:
        shape = " × ".join(map(str, image.shape))
        raise BadImage("format", f"of shape {shape}; height × width, with 1 or {channels} channels last, are needed")
    if image.dtype == np.uint16:
        image = (image / 65535.0).astype(np.float32)
    elif image.dtype != np.uint8:
        image = _unit(image)
    return np.repeat(image, channels // image.shape[2], axis=2) if image.shape[2] != channels else image


def _unit(image: NDArray[Any]) -> NDArray[np.float32]:
    if not np.issubdtype(image.dtype, np.floating):
        raise BadImage("format", f"of type {image.dtype}; uint8, uint16 or floating-point pixels are needed")
    low, high = float(image.min()), float(image.max())
    # Written so that NaN is refused too.
    if not (low >= 0 and high <= 1):
        raise BadImage("format", f"pixels from {low:g} to {high:g}; floating-point pixels must lie in 0…1")
    return image.astype(np.float32)
