"""The loss that training minimises."""

from __future__ import annotations

import torch
from torch import Tensor

from graft.data.batch import Batch
from graft.model import Model
from graft.recipe.schema import Regularise
from graft.strategies.mixing import mix, permuted


def training_loss(model: Model, batch: Batch, regularise: Regularise) -> Tensor:
    """Return the sum of the head's loss terms, for images and targets mixed as the recipe says; a scalar.

    Args:
        model: In the mode for training.
        batch: On the model's device.
        regularise: Its `mixup` and `cutmix`; they draw from the global generator.
    """
    if not (regularise.mixup or regularise.cutmix):
        return total(model.head.loss(model(batch.images), batch.targets))
    mixed = mix(batch.images, mixup=regularise.mixup, cutmix=regularise.cutmix)
    outputs = model(mixed.images)
    own = total(model.head.loss(outputs, batch.targets))
    others = total(model.head.loss(outputs, permuted(batch.targets, mixed.order)))
    return mixed.share * own + (1 - mixed.share) * others


def total(terms: dict[str, Tensor]) -> Tensor:
    """Return the sum of a head's loss terms, a scalar."""
    return torch.stack(list(terms.values())).sum()
