"""A linear layer on the pooled embedding."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from graft.backbones import BackboneInfo
from graft.tasks import Features, Head, Outputs, Task
from graft_regression.options import LineOptions


class LineHead(Head):
    """A line through the embedding `(B, D)`, after layer normalisation, for values in units of their own.

    The layer gives standard deviations from the mean of the training values, so that one learning rate fits all units;
    both numbers are buffers, and travel with the weights.
    """

    mean: Tensor
    deviation: Tensor

    def __init__(self, *, info: BackboneInfo, classes: Sequence[str], options: LineOptions, task: Task) -> None:
        super().__init__(info=info, classes=classes, options=options, task=task)
        self.layers = nn.Sequential(nn.LayerNorm(info.embed_dim), nn.Linear(info.embed_dim, 1))
        self.criterion = nn.HuberLoss(delta=options.turn)
        self.register_buffer("mean", torch.zeros(()))
        self.register_buffer("deviation", torch.ones(()))

    def prepare(self, targets: Sequence[Any]) -> Mapping[str, Any]:
        """Learn mean and standard deviation of the training values."""
        values = np.asarray(targets, dtype=np.float64)
        self.mean.fill_(values.mean())
        self.deviation.fill_(values.std() or 1.0)
        return {"mean": float(self.mean), "deviation": float(self.deviation)}

    def forward(self, features: Features, image_size: tuple[int, int]) -> Outputs:
        """Return standard deviations from the mean, `(B,)`."""
        assert features.embedding is not None  # for the type checker: the descriptor says that it needs one
        scaled: Tensor = self.layers(features.embedding).squeeze(1)
        return scaled

    def loss(self, outputs: Outputs, targets: Any) -> dict[str, Tensor]:
        """Return Huber's loss; `targets` are values `(B,)` in their own unit."""
        assert isinstance(outputs, Tensor)
        return {"huber": self.criterion(outputs.float(), (targets - self.mean) / self.deviation)}

    def decode(self, outputs: Outputs, image_sizes: Sequence[tuple[int, int]]) -> list[np.float32]:
        """Return a value for each image, in its own unit."""
        return list(self.exported(outputs)["value"].detach().cpu().numpy())

    def exported(self, outputs: Outputs) -> dict[str, Tensor]:
        """Return `value`, `(B,)`."""
        assert isinstance(outputs, Tensor)
        return {"value": outputs.float() * self.deviation + self.mean}
