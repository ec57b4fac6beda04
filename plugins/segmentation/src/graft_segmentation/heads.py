"""Heads: a decoder, a layer of scores in the size of the network's input, the losses, and decisions."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor, nn

from graft.backbones.contract import BackboneInfo
from graft.errors import Problem, RecipeError
from graft.tasks import Features, Head, Task
from graft_segmentation.decoders import DECODERS
from graft_segmentation.levels import Levels, image_sized
from graft_segmentation.losses import Truth, total
from graft_segmentation.options import HeadOptions
from graft_segmentation.target import MaskTarget, Segmented
from graft_segmentation.task import SegmentationTask, counted


class SegmentationHead(Head):
    """Gives logits `(B, C, H, W)` in the size of the network's input.

    Raises:
        RecipeError: When weights are given for unknown classes.
    """

    decoder_name: ClassVar[str]
    weights: Tensor

    def __init__(self, *, info: BackboneInfo, classes: Sequence[str], options: HeadOptions, task: Task) -> None:
        super().__init__(info=info, classes=classes, options=options, task=task)
        self.options = options
        self.multi = isinstance(task, SegmentationTask) and task.options.multi
        self.threshold = task.options.threshold if isinstance(task, SegmentationTask) else 0.5
        self.decoder = DECODERS[self.decoder_name](Levels.of(info), options.width, options.dropout)
        self.drop = nn.Dropout2d(options.dropout)
        self.scores = nn.Conv2d(self.decoder.channels, len(classes), 3, padding=1)
        self.register_buffer("weights", _weights(options, classes))

    def prepare(self, targets: Sequence[MaskTarget]) -> None:
        """Learn the weights of classes from how many pixels they have, if they shall be balanced."""
        if self.options.class_weights == "balanced":
            counts = sum(counted(target, len(self.weights)) for target in targets)
            share = np.asarray(counts, np.float64) / max(1, np.sum(counts))
            inverse = np.where(share > 0, 1 / np.sqrt(np.maximum(share, 1e-9)), 0)
            self.weights.copy_(torch.from_numpy(inverse * (share > 0).sum() / inverse.sum()))

    def forward(self, features: Features, image_size: tuple[int, int]) -> Tensor:
        """Return logits of the network input's size."""
        assert features.pyramid is not None
        x = self.drop(self.decoder(features.pyramid, image_size))
        return image_sized(self.scores(x), image_size)

    def loss(self, outputs: Any, targets: Tensor) -> dict[str, Tensor]:
        """Return the losses that the options name."""
        truth = Truth.of(targets, self.weights)
        return total(outputs, truth, self.options.losses, focal=self.options.focal, tversky=self.options.tversky)

    def decode(self, outputs: Any, image_sizes: Sequence[tuple[int, int]]) -> list[Segmented]:
        """Return what is decided of each pixel."""
        logits = outputs.float()
        if self.multi:
            scores = logits.sigmoid()
            decided = scores >= self.threshold
            sure = torch.where(decided, scores, 1 - scores).mean(dim=(1, 2, 3)).tolist()
            masks = decided.permute(0, 2, 3, 1).to(torch.uint8).cpu().numpy()
        else:
            best, numbers = logits.max(dim=1)
            sure = (best - logits.logsumexp(dim=1)).exp().mean(dim=(1, 2)).tolist()
            masks = numbers.to(torch.uint8).cpu().numpy()
        return [
            Segmented(np.ascontiguousarray(mask[:height, :width]), confidence)
            for mask, confidence, (height, width) in zip(masks, sure, image_sizes, strict=True)
        ]

    def exported(self, outputs: Any) -> dict[str, Tensor]:
        """Return `scores`, `(B, C, H, W)`."""
        return {"scores": outputs.sigmoid() if self.multi else outputs.softmax(dim=1)}


def _weights(options: HeadOptions, classes: Sequence[str]) -> Tensor:
    given = options.class_weights
    if not isinstance(given, dict):
        return torch.ones(len(classes))
    problems = [
        Problem(f"head.class_weights.{name}", "no such class", f"there are {', '.join(classes)}")
        for name in given
        if name not in classes
    ]
    if problems:
        raise RecipeError("The head's class weights do not fit the data", problems=problems)
    return torch.tensor([given.get(name, 1.0) for name in classes])


def _head(name: str) -> type[SegmentationHead]:
    return type(
        f"{DECODERS[name].__name__}Head", (SegmentationHead,), {"decoder_name": name, "__doc__": DECODERS[name].__doc__}
    )


UnetHead = _head("unet")
UnetPlusPlusHead = _head("unet++")
DeepLabV3Head = _head("deeplabv3")
DeepLabV3PlusHead = _head("deeplabv3+")
FpnHead = _head("fpn")
PspnetHead = _head("pspnet")
UpernetHead = _head("upernet")
SegformerHead = _head("segformer")
FcnHead = _head("fcn")
