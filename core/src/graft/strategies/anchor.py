"""L2-SP: the weights of the backbone decay towards the pretrained ones instead of towards zero (Li et al. 2018)."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.optim import Optimizer

from graft.model import Model
from graft.strategies.groups import HEAD, units


class Anchor:
    """Remembers a model's weights and pulls them back, decoupled from the gradient as AdamW's decay is.

    Args:
        model: With the pretrained weights, before it has been trained.
        strength: Share of the distance that is taken back per step, times the learning rate.
    """

    def __init__(self, model: Model, strength: float) -> None:
        self.strength = strength
        # Norms and biases do not decay, so they are not pulled either. Parameters keep their identity on their way to a
        # device.
        self._pretrained: dict[int, Tensor] = {
            id(parameter): parameter.detach().clone()
            for name, unit in units(model).items()
            if name != HEAD
            for parameter in unit.parameters()
            if parameter.ndim > 1
        }

    @torch.no_grad()
    def pull(self, optimizer: Optimizer) -> None:
        """Take each weight that trains a step of its group's learning rate back towards where it began."""
        for group in optimizer.param_groups:
            self._pull(group)

    def _pull(self, group: dict[str, Any]) -> None:
        for parameter in group["params"]:
            pretrained = self._pretrained.get(id(parameter))
            if pretrained is None or not parameter.requires_grad:
                continue
            if pretrained.device != parameter.device:
                pretrained = self._pretrained[id(parameter)] = pretrained.to(parameter.device)
            parameter.lerp_(pretrained, min(1.0, group["lr"] * self.strength))
