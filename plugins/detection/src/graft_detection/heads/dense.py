"""What detectors that predict everywhere at once have in common."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor
from torchvision.ops import batched_nms, box_iou, clip_boxes_to_image

from graft.backbones import BackboneInfo
from graft.tasks import Features, Head, Outputs
from graft_detection.detections import Detections
from graft_detection.heads.levels import Levels
from graft_detection.options import DetectorOptions
from graft_detection.task import DetectionTask

_CANDIDATES = 1000
"""Boxes of an image that are compared with each other, the surest."""

Target = Mapping[str, Tensor]
"""`boxes` `(N, 4)` float32 in the network input's pixels, and `labels` `(N,)` int64: of one image."""


class DenseHead(Head):
    """Predicts a score for each class, and a box, for each of A anchors.

    Outputs are `logits` `(B, A, K)`, `deltas` `(B, A, 4)`, `anchors` `(A, 4)`, `size` (the input's width and height,
    twice), and what else a detector needs.
    """

    def __init__(
        self, *, info: BackboneInfo, classes: Sequence[str], options: DetectorOptions, task: DetectionTask
    ) -> None:
        super().__init__(info=info, classes=classes, options=options, task=task)
        self.options = options
        self.levels = Levels(info, options)
        self.build(len(classes))

    @abstractmethod
    def build(self, n_classes: int) -> None:
        """Make the layers."""

    @abstractmethod
    def predict(self, maps: list[Tensor], image_size: tuple[int, int]) -> dict[str, Tensor]:
        """Return the outputs for the levels' maps, the finest first."""

    @abstractmethod
    def scores(self, outputs: Mapping[str, Tensor]) -> Tensor:
        """Return `(B, A, C)` in 0…1 for each class. Traceable."""

    @abstractmethod
    def boxes(self, deltas: Tensor, anchors: Tensor) -> Tensor:
        """Return `(N, 4)` boxes in pixels from `(N, 4)` deltas and their anchors. Traceable."""

    def forward(self, features: Features, image_size: tuple[int, int]) -> Outputs:
        """Return the outputs."""
        assert features.pyramid is not None  # for the type checker: the descriptor says that it needs the pyramid
        maps = self.levels(features.pyramid)
        height, width = image_size
        size = torch.tensor([width, height] * 2, dtype=torch.float32, device=maps[0].device)
        return {**self.predict(maps, image_size), "size": size}

    def decode(self, outputs: Outputs, image_sizes: Sequence[tuple[int, int]]) -> list[Detections]:
        """Return what is found in each image, in the pixels of the network's input."""
        assert not isinstance(outputs, Tensor)
        scores, deltas, anchors = self.scores(outputs).detach(), outputs["deltas"].detach(), outputs["anchors"]
        found = []
        for own, shifts, size in zip(scores, deltas, image_sizes, strict=True):
            values, cells = own.flatten().topk(min(_CANDIDATES, own.numel()))
            cells = cells[values > self.options.score]
            values = values[: len(cells)]
            at, labels = cells // own.shape[1], cells % own.shape[1]
            boxes = self.boxes(shifts[at].float(), anchors[at].float())
            found.append(chosen(boxes, values.float(), labels, size, self.options))
        return found

    def exported(self, outputs: Outputs) -> dict[str, Tensor]:
        """Return `boxes` `(B, A, 4)`, in shares of the input's width and height, and `scores` `(B, A, C)`.

        Boxes that overlap surer ones of their class are yet to be left out.
        """
        assert not isinstance(outputs, Tensor)
        deltas = outputs["deltas"].float()
        n, cells = deltas.shape[:2]
        anchors = outputs["anchors"].expand(n, cells, 4)
        boxes = self.boxes(deltas.reshape(-1, 4), anchors.reshape(-1, 4)).reshape(n, cells, 4)
        return {"boxes": (boxes / outputs["size"]).clamp(0, 1), "scores": self.scores(outputs)}


def chosen(
    boxes: Tensor, scores: Tensor, labels: Tensor, size: tuple[int, int], options: DetectorOptions
) -> Detections:
    """Return what is left of candidates once boxes are cut at the border and overlapping ones are left out."""
    boxes = clip_boxes_to_image(boxes, size)
    sides = boxes[:, 2:] - boxes[:, :2]
    there = (sides > 1e-2).all(dim=1)
    boxes, scores, labels = boxes[there], scores[there], labels[there]
    kept = batched_nms(boxes, scores, labels, options.overlap)[: options.most]
    return Detections(
        boxes=boxes[kept].cpu().numpy(),
        labels=labels[kept].cpu().numpy(),
        scores=scores[kept].cpu().numpy(),
        size=size,
    )


def matched(anchors: Tensor, target: Target, matcher: Any) -> Tensor:
    """Return the object of each anchor, `(A,)`; -1 for background, -2 for what is between."""
    if not len(target["boxes"]):
        return torch.full((len(anchors),), -1, dtype=torch.int64, device=anchors.device)
    found: Tensor = matcher(box_iou(target["boxes"], anchors))
    return found
