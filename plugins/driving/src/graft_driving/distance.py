"""How far away objects are, told by how high their boxes are; and average precision by that. numpy alone."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from graft.evaluation import Metric
from graft_detection.detections import Detections, Truth
from graft_detection.evaluation.curves import Curves, Ordered
from graft_detection.evaluation.matching import Bands, match


def _height(one: Detections | Truth) -> NDArray[np.float64]:
    """Return the height of each box as a share of its image's, `(N,)`."""
    share: NDArray[np.float64] = (one.boxes[:, 3] - one.boxes[:, 1]).astype(np.float64) / max(1, one.size[0])
    return share


NEAR, FAR = 1 / 8, 1 / 24
DISTANCES = Bands(
    {"all": (0.0, 1.0), "near": (NEAR, 1.0), "middle": (FAR, NEAR), "far": (0.0, FAR)},
    of_found=_height,
    of_true=_height,
)
"""Of an image's height. Through a lens that sees 40° from top to bottom, what is 1.5 m high is nearer than 17 m, or
further away than 50 m: as far as a car at 50 km/h, or at 100 km/h, needs to stop in the wet."""

NAMES = ("near", "middle", "far")


class PrecisionByDistance(Metric):
    """COCO's average precision of near, middle and far objects, `map_near` …, and `map50_near` … at an overlap of 0.5.

    Objects of another band count neither for nor against a model, as with COCO's sizes. A value is NaN where no object
    is that far away.
    """

    def rows(self, predictions: Sequence[Detections], targets: Sequence[Truth]) -> NDArray[Any]:
        """Return one row per image: all that were matched, and its place among them."""
        curves = curves_of(predictions, targets, len(self.classes))
        rows = np.empty(len(targets), dtype=object)
        rows[:] = [(curves, image) for image in range(len(targets))]
        return rows

    def compute(self, rows: NDArray[Any]) -> dict[str, float]:
        """Return the values of these images, each counted as often as it is among them."""
        curves: Curves = rows[0][0]
        weights = np.bincount([image for _, image in rows], minlength=curves.matches.images)
        values = {}
        for name in NAMES:
            own = [curves.ordered[name, label] for label in range(len(self.classes))]
            values[f"map_{name}"], values[f"map50_{name}"] = precision(own, weights)
        return values


def curves_of(predictions: Sequence[Detections], targets: Sequence[Truth], classes: int) -> Curves:
    """Return matches by distance, sorted for reductions."""
    return Curves(match(predictions, targets, DISTANCES), classes)


def precision(classes: Sequence[Ordered], weights: NDArray[np.int64]) -> tuple[float, float]:
    """Return the mean average precision over overlaps and at a half, over the classes that have objects."""
    read = [own for one in classes if (own := one.precision(weights)) is not None]
    if not read:
        return float("nan"), float("nan")
    return float(np.mean(read)), float(np.mean([own[0] for own in read]))
