"""The nearest training images vote: their descriptions and what they show."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from graft_classification import outputs
from graft_classification.classical.family import Family, Floats, Labels
from graft_classification.classical.options import KnnOptions
from graft_classification.scores import members

_TOUCHING = 1e-6
"""Distances below this count as this: an image that was learnt from outvotes all others."""


class Knn(Family):
    """Each of the nearest training images votes with 1 / distance."""

    kept: Tensor
    shown: Tensor
    places: Tensor

    def __init__(self, classes: Sequence[str], *, multi: bool, options: KnnOptions) -> None:
        super().__init__(classes, multi=multi, options=options)
        self.register_buffer("kept", torch.zeros(1, 1))
        self.register_buffer("shown", torch.zeros(1, len(classes)))
        # A vote for each place. Their number is a shape, which is known where a model is traced; a value is not.
        self.register_buffer("places", torch.ones(1))

    def grid(self, x: Floats) -> list[dict[str, Any]]:
        """Return the numbers of neighbours, none larger than there are images."""
        return [{"neighbours": n} for n in dict.fromkeys(min(n, len(x)) for n in self.options.neighbours)]

    def learn(self, x: Floats, y: Labels, values: Mapping[str, Any], seed: int) -> None:
        """Keep everything."""
        places = np.ones(min(values["neighbours"], len(x)))
        self.keep(kept=x, shown=members(y, len(self.classes)).astype(np.float32), places=places)

    def decide(self, x: Tensor) -> Tensor:
        """Return the logits of the shares of votes."""
        squares = (self.kept * self.kept).sum(dim=1) - 2 * (x @ self.kept.T)
        nearest = squares.topk(len(self.places), dim=1, largest=False).indices
        # The difference of large numbers says who is near, but not how near.
        distances = (x.unsqueeze(1) - self.kept[nearest]).square().sum(dim=2).sqrt()
        votes = self.places / distances.clamp(min=_TOUCHING)
        shares = (votes.unsqueeze(2) * self.shown[nearest]).sum(dim=1) / votes.sum(dim=1, keepdim=True)
        return outputs.logits(shares, multi=self.multi)
