"""Colours as grey. numpy alone."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

_LUMINANCE = np.array([0.299, 0.587, 0.114], np.float32)


def luminance(image: NDArray[Any]) -> NDArray[Any]:
    """Return an RGB image `(H, W, 3)`, uint8 or float32 0…1, as its luminance `(H, W, 1)` of that type (ITU-R 601)."""
    grey = (image @ _LUMINANCE)[:, :, None]
    return np.round(grey).astype(np.uint8) if image.dtype == np.uint8 else grey.clip(0, 1).astype(np.float32)
