"""What embeddings say of themselves, without labels. numpy alone."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from graft.evaluation import Metric

_FLOOR = 1e-7
"""What each share has added, as in the paper, so that there is a logarithm of it."""


def effective_rank(embeddings: NDArray[Any]) -> float:
    """Return RankMe (Garrido et al. 2023, equation 1): the exponential of the entropy of the singular values' shares.

    Args:
        embeddings: `(N, D)`.

    Returns:
        1 when all rows are multiples of one, at most the smaller of N and D; NaN without rows.
    """
    if not len(embeddings):
        return float("nan")
    values = np.linalg.svd(embeddings.astype(np.float64), compute_uv=False)
    total = values.sum()
    if not total:
        return 1.0
    shares = values / total + _FLOOR
    return float(np.exp(-(shares * np.log(shares)).sum()))


class RankMe(Metric):
    """`rankme`: the effective rank of the embeddings of all images. A row is an embedding."""

    def rows(self, predictions: Sequence[NDArray[np.float32]], targets: Sequence[Any]) -> NDArray[Any]:
        """Return the embeddings, `(N, D)`."""
        return np.stack(predictions)

    def compute(self, rows: NDArray[Any]) -> dict[str, float]:
        """Return the rank."""
        return {"rankme": effective_rank(rows)}
