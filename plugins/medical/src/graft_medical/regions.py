"""Where each class is in a mask and in what is said of it, without pixels that count nowhere. numpy alone."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from graft_segmentation.masks import IGNORE

BACKGROUND = "background"
"""The class that is left out of means over classes, by its name: its borders are those of the others."""


def regions(
    predicted: NDArray[np.uint8], true: NDArray[np.uint8], classes: int
) -> Iterator[tuple[NDArray[np.bool_], NDArray[np.bool_]]]:
    """Yield where each class is predicted and where it is, `(H, W)` each.

    Args:
        predicted: `(H, W)` of class numbers, or `(H, W, C)` of 0 and 1.
        true: Likewise, with `IGNORE`.
        classes: C.
    """
    for number in range(classes):
        if true.ndim == 2:
            yield (predicted == number) & (true != IGNORE), true == number
        else:
            yield (predicted[..., number] == 1) & (true[..., number] != IGNORE), true[..., number] == 1


def named(name: str, values: NDArray[np.float64], classes: Sequence[str]) -> Mapping[str, float]:
    """Return each class's value `(C,)` by name, and the mean of those that are defined, without the background."""
    counted = values[[one != BACKGROUND for one in classes]]
    mean = float(np.nanmean(counted)) if not np.isnan(counted).all() else float("nan")
    return {name: mean, **{f"{name}.{one}": float(value) for one, value in zip(classes, values, strict=True)}}
