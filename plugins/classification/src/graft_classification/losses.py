"""Losses on logits, with label smoothing, class weights and focus."""

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
        focus: The exponent γ of the focal loss (Lin et al. 2017): each class's term is multiplied by `(1 - p)**γ`, so
            that what is nearly right counts little. 0 is cross-entropy. Smoothing and weights act as they do there: a
            term counts by its smoothed share and by its class's weight, and the mean's divisor is without the focus.

    Raises:
        RecipeError: When `weights` names a class that there is not.
    """

    weight: Tensor

    def __init__(self, classes: Sequence[str], *, smoothing: float, weights: Weights, focus: float = 0.0) -> None:
        super().__init__()
        self.smoothing = smoothing
        self.focus = focus
        self.balanced = weights == "balanced"
        self.register_buffer("weight", initial_weights(classes, weights))

    def prepare(self, targets: Sequence[Any]) -> None:
        """Balance the weights by the training targets, `N / (C · n)`, when they are to be balanced."""
        if self.balanced:
            counts = np.bincount(np.asarray(targets, dtype=np.int64), minlength=len(self.weight))
            balanced = len(targets) / (len(counts) * np.maximum(counts, 1))
            self.weight.copy_(torch.from_numpy(balanced))

    def forward(self, logits: Tensor, targets: Tensor) -> Tensor:
        """Return the weighted mean loss of logits `(B, C)`; targets are indices `(B,)` or shares `(B, C)`."""
        if not self.focus:
            return F.cross_entropy(logits.float(), targets, weight=self.weight, label_smoothing=self.smoothing)
        likely = torch.log_softmax(logits.float(), dim=1)
        indices = targets.ndim == 1
        shares = F.one_hot(targets, len(self.weight)).float() if indices else targets.float()
        smooth = shares * (1 - self.smoothing) + self.smoothing / len(self.weight)
        terms = self.weight * smooth * _distance(-torch.expm1(likely)) ** self.focus * -likely
        # As torch has it: a mean weighted by the images' classes, where each has one.
        return terms.sum() / (self.weight[targets].sum() if indices else len(logits))


class BinaryCrossEntropy(nn.Module):
    """Sigmoid cross-entropy of each class by itself, for any number of labels per image.

    Args:
        classes: Class names.
        smoothing: Moves targets from 0 and 1 towards one half, by `smoothing / 2`.
        weights: What an image that shows a class counts for that class, in relation to one that does not.
        focus: The exponent γ of the focal loss (Lin et al. 2017): each answer's term is multiplied by
            `(t * (1 - p) + (1 - t) * p)**γ`, for a score p and the smoothed target t, so that what is nearly right
            counts little. 0 is cross-entropy. Weights multiply the terms of what is shown, as they do there.

    Raises:
        RecipeError: When `weights` names a class that there is not.
    """

    weight: Tensor

    def __init__(self, classes: Sequence[str], *, smoothing: float, weights: Weights, focus: float = 0.0) -> None:
        super().__init__()
        self.smoothing = smoothing
        self.focus = focus
        self.balanced = weights == "balanced"
        self.register_buffer("weight", initial_weights(classes, weights))

    def prepare(self, targets: Sequence[Any]) -> None:
        """Balance the weights by the training targets, images without the class / images with it."""
        if self.balanced:
            shown = np.asarray(targets, dtype=np.float64).sum(axis=0)
            balanced = np.maximum(len(targets) - shown, 1) / np.maximum(shown, 1)
            self.weight.copy_(torch.from_numpy(balanced))

    def forward(self, logits: Tensor, targets: Tensor) -> Tensor:
        """Return the mean loss of logits `(B, C)` for targets in 0…1, `(B, C)`."""
        smooth = targets.float() * (1 - self.smoothing) + self.smoothing / 2
        if not self.focus:
            return F.binary_cross_entropy_with_logits(logits.float(), smooth, pos_weight=self.weight)
        terms = F.binary_cross_entropy_with_logits(logits.float(), smooth, pos_weight=self.weight, reduction="none")
        scores = torch.sigmoid(logits.float())
        right = scores * smooth + (1 - scores) * (1 - smooth)
        return (_distance(1 - right) ** self.focus * terms).mean()


def _distance(missing: Tensor) -> Tensor:
    """Return what is missing to a score of 1, but never nothing: a root has no slope there."""
    return missing.clamp(min=1e-6)


def initial_weights(classes: Sequence[str], weights: Weights) -> Tensor:
    """Return the weights before the training targets are known, `(C,)`: one each, or as given.

    Raises:
        RecipeError: When `weights` names a class that there is not.
    """
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
