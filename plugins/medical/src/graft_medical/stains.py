"""What stains absorb: densities of haematoxylin, eosin and DAB, and the colours that are left. numpy alone."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

_ABSORBED = np.array([[0.65, 0.70, 0.29], [0.07, 0.99, 0.11], [0.27, 0.57, 0.78]], np.float32)
"""Of red, green and blue, by each stain (Ruifrok and Johnston 2001)."""
_UNMIXED = np.linalg.inv(_ABSORBED).astype(np.float32)
_FAINTEST = 1e-4


def densities(image: NDArray[Any]) -> NDArray[np.float32]:
    """Return how dense each stain is, `(H, W, 3)`, in an image `(H, W, 3)` of 0…1."""
    found: NDArray[np.float32] = -np.log(np.maximum(image, _FAINTEST)) @ _UNMIXED
    return found


def colours(density: NDArray[Any]) -> NDArray[np.float32]:
    """Return the image `(H, W, 3)` that densities `(H, W, 3)` give; 1 is white."""
    image: NDArray[np.float32] = np.exp(-density.astype(np.float32) @ _ABSORBED)
    return image
