"""What happens to descriptions before an estimator sees them: scaling, and principal components."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn


class Preparation(nn.Module):
    """Brings entries to mean 0 and variance 1, and keeps the principal components of the result.

    Estimators learn from what this gives, not from what scikit-learn would have given: a decision on a threshold is
    then the same in training and ever after.

    Args:
        length: D.
        scale: Whether to scale; the mean is taken off in any case.
        pca: How many components, or the share of the variance that they shall explain; None keeps all D entries. There
            are never more than images.
    """

    mean: Tensor
    scales: Tensor
    axes: Tensor

    def __init__(self, length: int, *, scale: bool, pca: int | float | None) -> None:
        super().__init__()
        self.scale = scale
        self.pca = pca
        self.register_buffer("mean", torch.zeros(length))
        self.register_buffer("scales", torch.ones(length))
        if pca is not None:
            self.register_buffer("axes", torch.zeros(length, 1))

    def learn(self, x: NDArray[np.float32], seed: int) -> float | None:
        """Learn from descriptions `(N, D)`, and return the share of the variance that the components explain."""
        wide = x.astype(np.float64)
        mean, deviation = wide.mean(axis=0), wide.std(axis=0)
        # Where nothing varies, what is left of it is the rounding of its mean.
        varies = deviation > 1e-6 * np.abs(mean) + 1e-30
        scales = np.where(varies, 1 / np.where(varies, deviation, 1), 0.0) if self.scale else np.ones_like(mean)
        self.mean = torch.from_numpy(mean).to(self.mean)
        self.scales = torch.from_numpy(scales).to(self.scales)
        if self.pca is None:
            return None
        from sklearn.decomposition import PCA

        most = min(len(x) - 1, x.shape[1]) or 1
        wanted = self.pca if isinstance(self.pca, float) else min(self.pca, most)
        found = PCA(wanted, random_state=seed).fit((wide - mean) * scales)
        self.axes = torch.from_numpy(np.ascontiguousarray(found.components_.T)).to(self.axes)
        return float(found.explained_variance_ratio_.sum())

    def forward(self, x: Tensor) -> Tensor:
        """Return `(B, d)` for descriptions `(B, D)`. Traceable."""
        x = (x - self.mean) * self.scales
        return x if self.pca is None else x @ self.axes
