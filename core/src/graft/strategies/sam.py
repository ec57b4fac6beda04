"""Sharpness-aware minimisation: the gradient is taken where the loss near by is largest (Foret et al. 2021)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager

import torch
from torch import nn


@contextmanager
def climbed(parameters: Iterable[nn.Parameter], radius: float) -> Iterator[None]:
    """Move the parameters uphill along their gradients for the block, and back to where they were, to the last bit.

    Args:
        parameters: Those without a gradient stay.
        radius: Length of the move, over all of them together.
    """
    moved = [parameter for parameter in parameters if parameter.grad is not None]
    gradients = [parameter.grad for parameter in moved if parameter.grad is not None]
    before = [parameter.detach().clone() for parameter in moved]
    with torch.no_grad():
        length = torch.nn.utils.get_total_norm(gradients)
        for parameter, gradient in zip(moved, gradients, strict=True):
            parameter.add_(gradient * (radius / (length + 1e-12)))
    try:
        yield
    finally:
        with torch.no_grad():
            for parameter, old in zip(moved, before, strict=True):
                parameter.copy_(old)


@contextmanager
def same_statistics(model: nn.Module) -> Iterator[None]:
    """Let batch norms use a batch's statistics in the block without remembering them."""
    norms = [
        layer
        for layer in model.modules()
        if isinstance(layer, nn.modules.batchnorm._NormBase) and layer.track_running_stats
    ]
    for layer in norms:
        layer.track_running_stats = False
    try:
        yield
    finally:
        for layer in norms:
            layer.track_running_stats = True
