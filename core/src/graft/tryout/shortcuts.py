"""Whether files betray their class without being looked at: by their size or their format. Torch-free.

A model learns what is easiest: when each class came from another camera, it learns the camera.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from graft.errors import DataError
from graft.features.probe import Probe, cross_validate


@dataclass(frozen=True, kw_only=True)
class FileFacts:
    """What is known of a file without its pixels."""

    width: int
    height: int
    format: str
    mode: str


def facts(path: Path) -> FileFacts:
    """Return what a file's header says; zeros and empty words where Pillow cannot read it."""
    try:
        with Image.open(path) as image:
            return FileFacts(width=image.width, height=image.height, format=image.format or "", mode=image.mode)
    except Exception:  # an odd header, which the decoder has an answer to
        return FileFacts(width=0, height=0, format="", mode="")


def betrayed(
    known: Sequence[FileFacts], labels: NDArray[np.int64], *, groups: Sequence[str] | None, classes: int
) -> Probe | None:
    """Return how well the nearest neighbours by size and format alone tell the classes; None when all files are alike.

    Args:
        known: Of each file, `(N,)`.
        labels: `(N,)`, 0 … C - 1.
        groups: The group of each sample, or None.
        classes: C.
    """
    columns = [
        np.log1p([one.width for one in known]),
        np.log1p([one.height for one in known]),
        *([one.format == name for one in known] for name in sorted({one.format for one in known})),
        *([one.mode == name for one in known] for name in sorted({one.mode for one in known})),
    ]
    table = np.stack([np.asarray(column, np.float64) for column in columns], axis=1)
    table = table[:, np.ptp(table, axis=0) > 0]
    if not table.shape[1]:
        return None
    # A number for each combination: what is counted is how often one goes with a class, not how near two sizes are.
    _, numbers = np.unique(table, axis=0, return_inverse=True)
    one_hot = np.eye(int(numbers.max()) + 1)[numbers]
    if one_hot.shape[1] > len(known) / 2:
        return None  # nearly every file has a size of its own, as photographs from many hands do
    try:
        return cross_validate(one_hot, labels, kind="linear", groups=groups, classes=classes)
    except DataError:
        return None
