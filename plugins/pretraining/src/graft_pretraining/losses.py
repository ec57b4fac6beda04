"""Losses between two views of the same images. In float32 whatever the precision: they exponentiate and invert."""

from __future__ import annotations

import torch
from torch import Tensor, nn


def nt_xent(first: Tensor, second: Tensor, *, temperature: float) -> Tensor:
    """Return the normalised, temperature-scaled cross-entropy of SimCLR (Chen et al. 2020, equation 1).

    Each of the 2B views is to find its other view among the 2B - 1 others, by the cosine.

    Args:
        first: A view of each image, `(B, D)`.
        second: The other view of each, `(B, D)`.
        temperature: What cosines are divided by.
    """
    views = nn.functional.normalize(torch.cat([first, second]).float(), dim=1)
    n = len(views)
    itself = torch.eye(n, dtype=torch.bool, device=views.device)
    logits = (views @ views.T / temperature).masked_fill(itself, -torch.inf)
    other = torch.arange(n, device=views.device).roll(n // 2)
    return nn.functional.cross_entropy(logits, other)


def invariance(first: Tensor, second: Tensor) -> Tensor:
    """Return the mean squared distance of two views `(B, D)` (Bardes et al. 2022, section 4.1)."""
    return nn.functional.mse_loss(first.float(), second.float())


def lack_of_variance(views: Tensor) -> Tensor:
    """Return how much the deviations of the entries of `(B, D)` lack to 1, in the mean."""
    deviation = (views.float().var(dim=0, correction=min(1, len(views) - 1)) + 1e-4).sqrt()
    return nn.functional.relu(1 - deviation).mean()


def covariance(views: Tensor) -> Tensor:
    """Return the sum of the squared covariances between different entries of `(B, D)`, over D."""
    centred = views.float() - views.float().mean(dim=0)
    matrix = centred.T @ centred / max(1, len(views) - 1)
    return (matrix.square().sum() - matrix.diagonal().square().sum()) / views.shape[1]
