"""Losses on logits, with label smoothing and class weights."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from graft.errors import Problem, RecipeError, did_you_mean

Weights = Literal["none", "balanced"] | Mapping[str, float]
"""How much each class counts: see `HeadOptions.class_weights`."""


class CrossEntropy(nn.Module):
    """Softmax cross-entropy for one label per image.

    Args:
        classes: Class names.
        smoothing: Share of each target that is spread evenly over all classes.
        weights: What an image of a class counts.

    Raises:
        RecipeError: When `weights` names a class that there is not.
    """

    weight: Tensor

    def __init__(self, classes: Sequence[str], *, smoothing: float, weights: Weights) -> None:
        super().__init__()
        self.smoothing = smoothing
        self.balanced = weights == "balanced"
        self.register_buffer("weight", _initial(classes, weights))

    def prepare(self, targets: Sequence[Any]) -> None:
        """Balance the weights by the training targets, `N / (C · n)`, when they are to be balanced."""
        if self.balanced:
            counts = np.bincount(np.asarray(targets, dtype=np.int64), minlength=len(self.weight))
            balanced = len(targets) / (len(counts) * np.maximum(counts, 1))
            self.weight.copy_(torch.from_numpy(balanced))

    def forward(self, logits: Tensor, targets: Tensor) -> Tensor:
        """Return the weighted mean loss of logits `(B, C)`; targets are indices `(B,)` or shares `(B, C)`."""
        return F.cross_entropy(logits.float(), targets, weight=self.weight, label_smoothing=self.smoothing)


class BinaryCrossEntropy(nn.Module):
    """Sigmoid cross-entropy of each class by itself, for any number of labels per image.

    Args:
        classes: Class names.
        smoothing: Moves targets from 0 and 1 towards one half, by `smoothing / 2`.
        weights: What an image that shows a class counts for that class, in relation to one that does not.

    Raises:
        RecipeError: When `weights` names a class that there is not.
    """

    weight: Tensor

    def __init__(self, classes: Sequence[str], *, smoothing: float, weights: Weights) -> None:
        super().__init__()
        self.smoothing = smoothing
        self.balanced = weights == "balanced"
        self.register_buffer("weight", _initial(classes, weights))

    def prepare(self, targets: Sequence[Any]) -> None:
        """Balance the weights by the training targets, images without the class / images with it."""
        if self.balanced:
            shown = np.asarray(targets, dtype=np.float64).sum(axis=0)
            balanced = np.maximum(len(targets) - shown, 1) / np.maximum(shown, 1)
            self.weight.copy_(torch.from_numpy(balanced))

    def forward(self, logits: Tensor, targets: Tensor) -> Tensor:
        """Return the mean loss of logits `(B, C)` for targets in 0…1, `(B, C)`."""
        smooth = targets.float() * (1 - self.smoothing) + self.smoothing / 2
        return F.binary_cross_entropy_with_logits(logits.float(), smooth, pos_weight=self.weight)


def _initial(classes: Sequence[str], weights: Weights) -> Tensor:
    """Weights before the training targets are known: one each, or as given."""
    if isinstance(weights, str):
        return torch.ones(len(classes))
    problems = [
        Problem(f"head.class_weights.{name}", "there is no such class", did_you_mean(name, classes))
        for name in weights
        if name not in classes
    ]
    if problems:
        fix = f"name classes of the data: {', '.join(classes)}"
        raise RecipeError("Class weights for classes that the data does not have", problems=problems, fix=fix)
    return torch.tensor([float(weights.get(name, 1.0)) for name in classes])
