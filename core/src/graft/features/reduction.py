"""Principal components of features, the same on every run: what they are can be kept, and applied to other images."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Components:
    """An affine map onto principal components.

    Args:
        mean: `(D,)`, of the features that they were fitted on.
        components: `(K, D)`, orthonormal rows, that of the largest variance first.
        explained: `(K,)`, the share of the whole variance that lies along each.
    """

    mean: NDArray[np.float32]
    components: NDArray[np.float32]
    explained: NDArray[np.float64]

    def __call__(self, features: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return `(N, D)` features as `(N, K)`."""
        reduced: NDArray[np.float32] = np.matmul(features - self.mean, self.components.T, dtype=np.float32)
        return reduced


def fit(features: NDArray[np.float32], k: int) -> Components:
    """Return the first `k` principal components of `(N, D)` features; k is at most N and D.

    The sign of a component, which means nothing, is such that its largest entry is positive.
    """
    mean = features.mean(axis=0, dtype=np.float64)
    x = features.astype(np.float64) - mean
    n, d = x.shape
    if n > d:
        # Of many images the covariance is much smaller than the features.
        values, vectors = np.linalg.eigh(x.T @ x)
        values, rows = values[::-1], vectors.T[::-1]
    else:
        _, s, rows = np.linalg.svd(x, full_matrices=False)
        values = s**2
    values, rows = values.clip(min=0), rows[:k]
    largest = np.abs(rows).argmax(axis=1)
    rows = rows * np.where(rows[np.arange(k), largest] < 0, -1.0, 1.0)[:, None]
    total = float((x**2).sum())
    explained = values[:k] / total if total > 0 else np.zeros(k)
    return Components(mean.astype(np.float32), rows.astype(np.float32), explained)
