"""Heads that compare two views of each image.

Both views go through the network together, so that batch normalisation sees them as one batch, as in SimCLR's own code;
in VICReg's they go through one after the other.

What is compared are projections, which are thrown away after pretraining: the embedding before them keeps more of an
image (Chen et al. 2020, section 4.2). So the embedding is the prediction.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from itertools import accumulate, pairwise
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from graft.backbones import BackboneInfo
from graft.sequences import means
from graft.tasks import Features, Head, Outputs, Task
from graft_pretraining import losses
from graft_pretraining.options import SimclrOptions, VicregOptions


def projector(inputs: int, hidden: int, outputs: int, *, layers: int) -> nn.Sequential:
    """Return linear layers with batch normalisation and ReLU between them."""
    widths = [inputs, *[hidden] * (layers - 1)]
    between = [
        nn.Sequential(nn.Linear(one, other, bias=False), nn.BatchNorm1d(other), nn.ReLU())
        for one, other in pairwise(widths)
    ]
    return nn.Sequential(*between, nn.Linear(widths[-1], outputs, bias=False))


class ViewsHead(Head):
    """A head whose loss compares the projections of two views: the first and the last frame of each sequence.

    Its outputs are `embedding` `(B, D)`, the mean over the frames, and `first` and `last` `(B, P)`; of a single image
    both are the same.
    """

    layers: int
    """How many linear layers the projector has."""

    def __init__(
        self, *, info: BackboneInfo, classes: Sequence[str], options: SimclrOptions | VicregOptions, task: Task
    ) -> None:
        super().__init__(info=info, classes=classes, options=options, task=task)
        self.options: Any = options
        self.projector = projector(info.embed_dim, options.hidden, options.outputs, layers=self.layers)

    @abstractmethod
    def compare(self, first: Tensor, last: Tensor) -> dict[str, Tensor]:
        """Return the loss's terms for two projections `(B, P)` of each image."""

    def forward(self, features: Features, image_size: tuple[int, int]) -> dict[str, Tensor]:
        """Return the embedding of each image, and the projections of its views."""
        rows = features.embedding
        assert rows is not None  # for the type checker: the descriptor says what the head needs
        projections = self.projector(rows)
        if features.lengths is None:
            return {"embedding": rows, "first": projections, "last": projections}
        ends = torch.tensor(list(accumulate(features.lengths)), device=rows.device)
        starts = ends - torch.tensor(features.lengths, device=rows.device)
        return {
            "embedding": means(rows, features.lengths),
            "first": projections[starts],
            "last": projections[ends - 1],
        }

    def loss(self, outputs: Outputs, targets: Any) -> dict[str, Tensor]:
        """Return how much the views of each image disagree; there are no targets."""
        assert isinstance(outputs, Mapping)
        return self.compare(outputs["first"], outputs["last"])

    def decode(self, outputs: Outputs, image_sizes: Sequence[tuple[int, int]]) -> list[NDArray[np.float32]]:
        """Return the embedding `(D,)` of each image."""
        assert isinstance(outputs, Mapping)
        return list(outputs["embedding"].detach().float().cpu().numpy())

    def exported(self, outputs: Outputs) -> dict[str, Tensor]:
        """Return `embedding`, `(B, D)`."""
        assert isinstance(outputs, Mapping)
        return {"embedding": outputs["embedding"].float()}


class SimclrHead(ViewsHead):
    """SimCLR (Chen et al. 2020): a projector of two layers, and the contrastive loss over the batch."""

    layers = 2
    options: SimclrOptions

    def compare(self, first: Tensor, last: Tensor) -> dict[str, Tensor]:
        """Return the one term, `contrast`."""
        return {"contrast": losses.nt_xent(first, last, temperature=self.options.temperature)}


class VicregHead(ViewsHead):
    """VICReg (Bardes et al. 2022): an expander of three layers, and three terms. Does well with small batches, too."""

    layers = 3
    options: VicregOptions

    def compare(self, first: Tensor, last: Tensor) -> dict[str, Tensor]:
        """Return the terms `invariance`, `variance` and `covariance`, each times its weight."""
        options = self.options
        spread = (losses.lack_of_variance(first) + losses.lack_of_variance(last)) / 2
        return {
            "invariance": options.invariance * losses.invariance(first, last),
            "variance": options.variance * spread,
            "covariance": options.covariance * (losses.covariance(first) + losses.covariance(last)),
        }
