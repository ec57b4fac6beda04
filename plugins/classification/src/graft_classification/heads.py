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
from graft_classification.scores import Scores
from graft_classification.task import ClassificationTask


class EmbeddingHead(Head):
    """A head whose `layers` map the embedding `(B, D)` to logits `(B, C)`.

    Raises:
        RecipeError: When the options name a class that there is not.
    """

    def __init__(
        self, *, info: BackboneInfo, classes: Sequence[str], options: HeadOptions, task: ClassificationTask
    ) -> None:
        super().__init__(info=info, classes=classes, options=options, task=task)
        self.multi = task.options.multi
        self.layers = self.build(info.embed_dim, len(classes), options)
        loss = BinaryCrossEntropy if self.multi else CrossEntropy
        self.criterion = loss(classes, smoothing=options.label_smoothing, weights=options.class_weights)

    @abstractmethod
    def build(self, inputs: int, outputs: int, options: Any) -> nn.Module:
        """Return the layers from an embedding of length `inputs` to `outputs` logits."""

    def prepare(self, targets: Sequence[Any]) -> None:
        """Balance the class weights, when they are to be balanced."""
        self.criterion.prepare(targets)

    def forward(self, features: Features, image_size: tuple[int, int]) -> Tensor:
        """Return logits `(B, C)`."""
        return self.layers(features.embedding)  # type: ignore[no-any-return]

    def loss(self, outputs: Outputs, targets: Any) -> dict[str, Tensor]:
        """Return the one term, `classification`."""
        return {"classification": self.criterion(outputs, targets)}

    def decode(self, outputs: Outputs, image_sizes: Sequence[tuple[int, int]]) -> list[Scores]:
        """Return the scores of each image."""
        scores = self.exported(outputs)["scores"].detach().cpu().numpy()
        return [Scores(row) for row in scores]

    def exported(self, outputs: Outputs) -> dict[str, Tensor]:
        """Return `scores`, probabilities `(B, C)`."""
        assert isinstance(outputs, Tensor)  # for the type checker: `forward` gives nothing else
        logits = outputs.float()
        return {"scores": torch.sigmoid(logits) if self.multi else torch.softmax(logits, dim=1)}


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
