"""Losses of pixels: cross-entropy, focal, Dice, Tversky and Lovász, for single and multiple labels.

All take logits `(B, C, H, W)`; `Truth` has what is true. Pixels that count nowhere have no gradient.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from graft_segmentation.masks import IGNORE

_SMOOTH = 1.0
"""Pixels that are added to both sides of a ratio: a class that is neither there nor predicted costs nothing."""


@dataclass(frozen=True)
class Truth:
    """What is true, as losses want it.

    Args:
        numbers: `(B, H, W)` int64 of class numbers, `IGNORE` where it counts nowhere; None for multi-label.
        planes: `(B, C, H, W)` float of 0 and 1.
        counts: `(B, C, H, W)` of 0 and 1, or `(B, 1, H, W)`: what counts.
        weights: `(C,)` per class.
    """

    numbers: Tensor | None
    planes: Tensor
    counts: Tensor
    weights: Tensor

    @classmethod
    def of(cls, masks: Tensor, weights: Tensor) -> Truth:
        """Return it of masks `(B, H, W)`, or `(B, H, W, C)` for multi-label, uint8."""
        if masks.ndim == 4:
            planes = masks.permute(0, 3, 1, 2)
            return cls(None, (planes == 1).to(weights.dtype), (planes != IGNORE).to(weights.dtype), weights)
        numbers = masks.long()
        counts = (numbers != IGNORE).unsqueeze(1)
        classes = torch.arange(len(weights), device=masks.device).view(1, -1, 1, 1)
        return cls(numbers, (numbers.unsqueeze(1) == classes).to(weights.dtype), counts.to(weights.dtype), weights)

    def scores(self, logits: Tensor) -> Tensor:
        """Return scores `(B, C, H, W)`: they sum to 1 over classes, unless labels are multiple."""
        return logits.sigmoid() if self.numbers is None else logits.softmax(dim=1)


def total(
    logits: Tensor, truth: Truth, terms: Mapping[str, float], *, focal: float, tversky: float
) -> dict[str, Tensor]:
    """Return each term times its weight, by name; logits in half precision are taken as float32."""
    logits = logits.float()
    found = {}
    for name, weight in terms.items():
        if name == "cross-entropy":
            value = pixel_loss(logits, truth, focal=0)
        elif name == "focal":
            value = pixel_loss(logits, truth, focal=focal)
        elif name == "dice":
            value = overlap_loss(logits, truth, missed=0.5)
        elif name == "tversky":
            value = overlap_loss(logits, truth, missed=tversky)
        else:
            value = lovasz_loss(logits, truth)
        found[name.replace("-", "_")] = weight * value
    return found


def pixel_loss(logits: Tensor, truth: Truth, *, focal: float) -> Tensor:
    """Return cross-entropy, or with `focal` above 0 the focal loss (Lin et al. 2017): the weighted mean of pixels.

    As torch's own, the mean is over the weights of the pixels that count; 0 where none does.
    """
    if truth.numbers is None:
        each = nn.functional.binary_cross_entropy_with_logits(logits, truth.planes, reduction="none")
        weights = truth.counts * truth.weights.view(1, -1, 1, 1)
    else:
        each = nn.functional.cross_entropy(logits, truth.numbers, ignore_index=IGNORE, reduction="none").unsqueeze(1)
        weights = truth.counts * (truth.planes * truth.weights.view(1, -1, 1, 1)).sum(dim=1, keepdim=True)
    if focal:
        each = each * (1 - (-each).exp()).clamp_min(1e-12) ** focal
    return (each * weights).sum() / weights.sum().clamp_min(1e-12)


def overlap_loss(logits: Tensor, truth: Truth, *, missed: float) -> Tensor:
    """Return 1 - the Tversky index (Salehi et al. 2017) of the batch, the weighted mean over classes.

    Args:
        logits: `(B, C, H, W)`.
        truth: What is true.
        missed: Weight of pixels that are missed; that of false ones is what is left of 1. With 0.5 it is Dice
            (Milletari et al. 2016).
    """
    scores, planes = truth.scores(logits) * truth.counts, truth.planes * truth.counts
    found = (scores * planes).sum(dim=(0, 2, 3))
    lost = planes.sum(dim=(0, 2, 3)) - found
    false = scores.sum(dim=(0, 2, 3)) - found
    index = (found + _SMOOTH / 2) / (found + missed * lost + (1 - missed) * false + _SMOOTH / 2)
    return _mean_of_classes(1 - index, truth)


def lovasz_loss(logits: Tensor, truth: Truth) -> Tensor:
    """Return the Lovász extension of 1 - intersection over union (Berman et al. 2018), the mean of classes.

    A class that the batch does not show counts nothing, as in the authors' code.
    """
    scores = truth.scores(logits)
    counts = truth.counts.expand_as(scores).bool()
    values, weights = [], []
    for number in range(scores.shape[1]):
        own = counts[:, number]
        true = truth.planes[:, number][own]
        if not true.any():
            continue
        errors, order = (true - scores[:, number][own]).abs().sort(descending=True)
        values.append((errors * _lovasz_gradient(true[order])).sum())
        weights.append(truth.weights[number])
    if not values:
        return logits.sum() * 0
    return (torch.stack(values) * torch.stack(weights)).sum() / torch.stack(weights).sum()


def _lovasz_gradient(true: Tensor) -> Tensor:
    """Return how much the loss grows with each pixel, in the order of errors (algorithm 1 of the paper)."""
    intersection = true.sum() - true.cumsum(0)
    union = true.sum() + (1 - true).cumsum(0)
    jaccard = 1 - intersection / union
    return torch.cat([jaccard[:1], jaccard[1:] - jaccard[:-1]])


def _mean_of_classes(values: Tensor, truth: Truth) -> Tensor:
    return (values * truth.weights).sum() / truth.weights.sum()
