"""Heads on the pooled embedding. They differ in their layers; losses and decoding are shared."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from graft.backbones import BackboneInfo
from graft.tasks import Features, Head, Outputs
from graft_classification.losses import BinaryCrossEntropy, CrossEntropy
from graft_classification.options import HeadOptions, LinearOptions, MlpOptions
from graft_classification.outputs import decoded, probabilities
from graft_classification.scores import Scores
from graft_classification.task import ClassificationTask


class Standardise(nn.Module):
    """Brings every entry of the embedding `(B, D)` to mean 0 and about variance 1 over the training data.

    Embeddings of different weights differ in scale a hundredfold; without this no learning rate fits them all. It is
    batch normalisation (Ioffe & Szegedy 2015) without scale and shift, with three differences: the first batches are
    averaged evenly, so that the running statistics are right after a few steps; a batch of one image is normalised by
    them; and the variance's floor is a share of the mean variance, so that entries that hardly vary are not blown up.

    Args:
        length: D.
        momentum: Weight of a batch in the running statistics, once there have been `1 / momentum` batches.
        floor: Share of the mean variance that is added to each.
    """

    mean: Tensor
    variance: Tensor
    batches: Tensor

    def __init__(self, length: int, *, momentum: float = 0.1, floor: float = 0.01) -> None:
        super().__init__()
        self.momentum = momentum
        self.floor = floor
        self.register_buffer("mean", torch.zeros(length))
        self.register_buffer("variance", torch.ones(length))
        self.register_buffer("batches", torch.zeros(()))

    def forward(self, x: Tensor) -> Tensor:
        """Return `x` standardised: by its own statistics in training, else by the running ones."""
        mean, variance = self.mean, self.variance
        if self.training and len(x) > 1:
            variance, mean = torch.var_mean(x.float(), dim=0)
            with torch.no_grad():
                self.batches += 1
                weight = torch.clamp(1 / self.batches, min=self.momentum)
                self.mean.lerp_(mean, weight)
                self.variance.lerp_(variance, weight)
        return (x - mean) * torch.rsqrt(variance + self.floor * variance.mean() + 1e-12)


class EmbeddingHead(Head):
    """A head whose `layers` map the standardised embedding `(B, D)` to logits `(B, C)`.

    Raises:
        RecipeError: When the options name a class that there is not.
    """

    def __init__(
        self, *, info: BackboneInfo, classes: Sequence[str], options: HeadOptions, task: ClassificationTask
    ) -> None:
        super().__init__(info=info, classes=classes, options=options, task=task)
        self.multi = task.options.multi
        self.standardise = Standardise(info.embed_dim)
        self.layers = self.build(info.embed_dim, len(classes), options)
        loss = BinaryCrossEntropy if self.multi else CrossEntropy
        self.criterion = loss(
            classes, smoothing=options.label_smoothing, weights=options.class_weights, focus=options.focal
        )

    @abstractmethod
    def build(self, inputs: int, outputs: int, options: Any) -> nn.Module:
        """Return the layers from an embedding of length `inputs` to `outputs` logits."""

    def prepare(self, targets: Sequence[Any]) -> None:
        """Balance the class weights, when they are to be balanced."""
        self.criterion.prepare(targets)

    def forward(self, features: Features, image_size: tuple[int, int]) -> Tensor:
        """Return logits `(B, C)`."""
        assert features.embedding is not None  # for the type checker: the descriptor says what the head needs
        return self.layers(self.standardise(features.embedding))  # type: ignore[no-any-return]

    def loss(self, outputs: Outputs, targets: Any) -> dict[str, Tensor]:
        """Return the one term, `classification`."""
        return {"classification": self.criterion(outputs, targets)}

    def decode(self, outputs: Outputs, image_sizes: Sequence[tuple[int, int]]) -> list[Scores]:
        """Return the scores of each image."""
        return decoded(outputs, multi=self.multi)

    def exported(self, outputs: Outputs) -> dict[str, Tensor]:
        """Return `scores`, probabilities `(B, C)`."""
        return {"scores": probabilities(outputs, multi=self.multi)}


class LinearHead(EmbeddingHead):
    """One linear layer, after dropout."""

    def build(self, inputs: int, outputs: int, options: LinearOptions) -> nn.Module:
        """Return dropout and a linear layer."""
        return nn.Sequential(nn.Dropout(options.dropout), nn.Linear(inputs, outputs))


class MlpHead(EmbeddingHead):
    """Hidden layers with ReLU; dropout before every linear layer."""

    def build(self, inputs: int, outputs: int, options: MlpOptions) -> nn.Module:
        """Return the hidden layers and the last one."""
        layers: list[nn.Module] = []
        for width in options.hidden:
            layers += [nn.Dropout(options.dropout), nn.Linear(inputs, width), nn.ReLU()]
            inputs = width
        return nn.Sequential(*layers, nn.Dropout(options.dropout), nn.Linear(inputs, outputs))
