"""What kinds of mistakes there are in sure predictions. numpy alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from graft_detection.detections import Detections, Truth
from graft_detection.evaluation.matching import match, overlaps

NEAR = 0.1
"""The overlap from which on a false detection is one of the object in the wrong place."""

KINDS = {
    "right": "an object of the class, at an overlap of 0.5 or more",
    "repeated": "an object that a surer detection has found already",
    "confused": "an object of another class",
    "misplaced": "an object of the class, at an overlap of 0.1 to 0.5",
    "false": "nothing that is there",
    "missed": "an object that no detection found",
}
"""Each kind, and what was detected."""


@dataclass(frozen=True, eq=False)
class Kinds:
    """The kinds of mistakes in N images of C classes.

    Args:
        counts: `(N, C, 6)` int64: how many of each of `KINDS`, by the detection's class, and missed ones by their own.
    """

    counts: NDArray[np.int64]

    def per_image(self) -> NDArray[np.int64]:
        """Return the mistakes in each image, `(N,)`."""
        total: NDArray[np.int64] = self.counts[:, :, 1:].sum(axis=(1, 2))
        return total


def kinds(predictions: Sequence[Detections], targets: Sequence[Truth], *, n_classes: int, threshold: float) -> Kinds:
    """Return the kind of each detection with a score of `threshold` or more, and of each object that is missed.

    Crowds and difficult objects, and what is found there, do not count.
    """
    sure = [one.from_score(threshold) for one in predictions]
    matches = match(sure, targets)
    counts = np.zeros((len(targets), n_classes, len(KINDS)), np.int64)
    found, void = matches.found[:, 0, 0], matches.void[:, 0, 0]
    reached = np.zeros(len(matches.true_label), bool)
    reached[matches.chosen[found]] = True
    lost = ~reached & ~matches.true_void[:, 0]
    _count(counts, matches.true_image[lost], matches.true_label[lost], 5)
    right = found & ~void
    _count(counts, matches.image[right], matches.label[right], 0)
    wrong = ~found
    for image in np.unique(matches.image[wrong]):
        own, true = np.flatnonzero(wrong & (matches.image == image)), targets[image]
        over = overlaps(matches.box[own][:, None], true.boxes.astype(np.float64)[None], true.crowd)
        unclear = np.where(true.crowd | true.difficult, over, 0).max(axis=1, initial=0)
        over = np.where(true.crowd | true.difficult, 0, over)
        same = matches.label[own][:, None] == true.labels[None]
        best = np.where(same, over, 0).max(axis=1, initial=0)
        other = np.where(same, 0, over).max(axis=1, initial=0)
        kind = np.select([best >= 0.5, other >= 0.5, best >= NEAR], [1, 2, 3], 4)
        counted = (unclear < NEAR) | (unclear < np.maximum(best, other))
        _count(counts, matches.image[own[counted]], matches.label[own[counted]], kind[counted])
    return Kinds(counts)


def _count(counts: NDArray[np.int64], image: NDArray[np.int64], label: NDArray[np.int64], kind: Any) -> None:
    """Add one for each image, class and kind."""
    cells = np.ravel_multi_index((image, label, np.broadcast_to(kind, image.shape)), counts.shape)
    counts += np.bincount(cells, minlength=counts.size).reshape(counts.shape)
