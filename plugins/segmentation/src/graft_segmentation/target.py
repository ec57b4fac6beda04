"""A mask as a target, read when it is needed, and as a prediction."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from graft.data.spatial import Places
from graft.errors import DataError
from graft_segmentation.masks import IGNORE, BadMask, MaskSource


@dataclass(frozen=True)
class MaskTarget:
    """What is true of an image's pixels.

    Args:
        source: Where the mask comes from, in the file's pixels.
        index: Number of each class.
        multi: Whether a pixel may be of several classes.
        moved_to: The mask, where it has followed its image.
        counts: Pixels of each class `(C,)` in the file, where somebody counted them.
    """

    source: MaskSource
    index: dict[str, int]
    multi: bool
    moved_to: NDArray[np.uint8] | None = None
    counts: NDArray[np.int64] | None = None

    @property
    def mask(self) -> NDArray[np.uint8]:
        """`(H, W)` of class numbers, or `(H, W, C)` of 0 and 1, and `IGNORE`.

        Raises:
            DataError: When the mask, which could be read before training, cannot be read.
        """
        if self.moved_to is not None:
            return self.moved_to
        try:
            return self.source.read(self.index, multi=self.multi)
        except BadMask as error:
            raise DataError(str(error), fix="bring the mask back, or repair it") from error

    @property
    def size(self) -> tuple[int, int]:
        """(H, W)."""
        if self.moved_to is not None:
            return self.moved_to.shape[0], self.moved_to.shape[1]
        try:
            return self.source.size()
        except BadMask as error:
            raise DataError(str(error), fix="bring the mask back, or repair it") from error

    def places(self) -> Places:
        """Return the mask."""
        mask = self.mask
        return Places(size=(mask.shape[0], mask.shape[1]), mask=mask, fill=IGNORE)

    def moved(self, places: Places) -> MaskTarget:
        """Return it for another image."""
        return replace(self, moved_to=places.mask)


@dataclass(frozen=True)
class Segmented:
    """What a model says about an image's pixels.

    Args:
        mask: `(H, W)` uint8 of class numbers, or for multi-label `(H, W, C)` of 0 and 1.
        confidence: Mean score of what was decided, 0…1.
    """

    mask: NDArray[np.uint8]
    confidence: float = 1.0

    def places(self) -> Places:
        """Return the mask."""
        return Places(size=(self.mask.shape[0], self.mask.shape[1]), mask=self.mask)

    def moved(self, places: Places) -> Segmented:
        """Return it for another image."""
        mask: Any = places.mask
        return replace(self, mask=mask)


def class_counts(mask: NDArray[np.uint8], classes: int) -> NDArray[np.int64]:
    """Return the pixels of each class, `(C,)`."""
    if mask.ndim == 3:
        return np.asarray((mask == 1).sum(axis=(0, 1)), np.int64)
    return np.bincount(mask.ravel(), minlength=IGNORE + 1)[:classes].astype(np.int64)
