"""Labels that are likely wrong: confident learning on predictions for images that were not trained on. Torch-free.

Northcutt, Jiang, Chuang (JAIR 2021): an image is as good as surely of a class when it is given a probability at least
as large as images with that label are on average. One that is surely of another class than its label's is doubted.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

STRONG = 0.9


@dataclass(frozen=True, kw_only=True)
class Doubt:
    """A label that is likely wrong.

    Args:
        index: Of the sample.
        given: The label's class.
        suggested: The class that the image seems to be of.
        probability: Of the suggested class, by the probe.
        agreed: Whether the nearest neighbours say the same.
    """

    index: int
    given: int
    suggested: int
    probability: float
    agreed: bool

    @property
    def strong(self) -> bool:
        """Whether it is worth a warning: both opinions say so, and the probe is as good as sure."""
        return self.agreed and self.probability >= STRONG


def doubts(
    labels: NDArray[np.int64], probabilities: NDArray[np.float64], neighbours: NDArray[np.float64]
) -> list[Doubt]:
    """Return the labels that are likely wrong, the most doubtful first: those that both opinions doubt, by how much.

    Args:
        labels: `(N,)`, 0 … C - 1.
        probabilities: `(N, C)`, by a probe that did not see the sample.
        neighbours: `(N, C)`, the votes of the nearest other samples.
    """
    n, classes = probabilities.shape
    own = probabilities[np.arange(n), labels]
    usual = np.array([own[labels == c].mean() if (labels == c).any() else np.inf for c in range(classes)])
    sure = np.where(probabilities >= usual, probabilities, -1.0)
    suggested = sure.argmax(axis=1)
    found = np.flatnonzero((sure.max(axis=1) > own) & (suggested != labels))
    agreed = neighbours.argmax(axis=1) == suggested
    margin = sure.max(axis=1) - own
    order = sorted(found.tolist(), key=lambda index: (not agreed[index], -margin[index], index))
    return [
        Doubt(
            index=index,
            given=int(labels[index]),
            suggested=int(suggested[index]),
            probability=float(probabilities[index, suggested[index]]),
            agreed=bool(agreed[index]),
        )
        for index in order
    ]
