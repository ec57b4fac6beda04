"""FCOS (Tian et al. 2019, "Fully convolutional one-stage object detection")."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor
from torchvision.models.detection._utils import BoxLinearCoder
from torchvision.models.detection.fcos import FCOSHead as Layers

from graft.tasks import Outputs
from graft_detection.heads.dense import DenseHead, Target
from graft_detection.heads.levels import Anchors
from graft_detection.options import FcosOptions

_FINEST, _COARSEST = 4, 8
"""Objects reach so many cells to one side on the level that is to find them, and up to so many."""


class FcosHead(DenseHead):
    """Each point says for each class whether it is there, how far the box's edges are, and how central it is.

    A point belongs to the smallest object that it lies in, close to its centre, and of the size of its level.
    """

    options: FcosOptions

    def build(self, n_classes: int) -> None:
        """Make the layers, torchvision's."""
        self.anchors = Anchors(scale=1.0, octave=1, ratios=(1.0,))
        self.layers = Layers(self.options.width, 1, n_classes)
        self.coder = BoxLinearCoder(normalize_by_size=True)

    def predict(self, maps: list[Tensor], image_size: tuple[int, int]) -> dict[str, Tensor]:
        """Return logits, deltas and how central each point is; an anchor is a point's cell."""
        given = self.layers(maps)
        counts = [level.shape[-2] * level.shape[-1] for level in maps]
        level = torch.repeat_interleave(torch.tensor(counts)).to(maps[0].device)
        return {
            "logits": given["cls_logits"],
            "deltas": given["bbox_regression"],
            "central": given["bbox_ctrness"],
            "anchors": self.anchors(maps, image_size),
            "level": level,
        }

    def loss(self, outputs: Outputs, targets: Any) -> dict[str, Tensor]:
        """Return `classes`, the focal loss, `boxes`, generalised overlap, and `central`; per point of an object."""
        assert not isinstance(outputs, Tensor)
        anchors = outputs["anchors"]
        owners = [self.owners(anchors, outputs["level"], target) for target in targets]
        given = {
            "cls_logits": outputs["logits"],
            "bbox_regression": outputs["deltas"],
            "bbox_ctrness": outputs["central"],
        }
        terms = self.layers.compute_loss(_with_one(targets), given, [anchors] * len(targets), owners)
        return {
            "classes": terms["classification"],
            "boxes": terms["bbox_regression"],
            "central": terms["bbox_ctrness"],
        }

    def owners(self, anchors: Tensor, level: Tensor, target: Target) -> Tensor:
        """Return the object of each point, `(A,)`; -1 for none."""
        boxes = target["boxes"]
        if not len(boxes):
            return torch.full((len(anchors),), -1, dtype=torch.int64, device=anchors.device)
        points = (anchors[:, :2] + anchors[:, 2:]) / 2
        cell = anchors[:, 2] - anchors[:, 0]
        middle = (boxes[:, :2] + boxes[:, 2:]) / 2
        fits = (points[:, None] - middle[None]).abs().amax(dim=2) < self.options.radius * cell[:, None]
        edges = torch.cat([points[:, None] - boxes[None, :, :2], boxes[None, :, 2:] - points[:, None]], dim=2)
        farthest = edges.amax(dim=2)
        low = torch.where(level == 0, 0.0, _FINEST * cell)
        high = torch.where(level == level.max(), float("inf"), _COARSEST * cell)
        fits &= (edges.amin(dim=2) > 0) & (farthest > low[:, None]) & (farthest < high[:, None])
        areas = (boxes[:, 2:] - boxes[:, :2]).prod(dim=1)
        smallest, owner = torch.where(fits, areas[None], float("inf")).min(dim=1)
        return torch.where(smallest.isinf(), -1, owner)

    def scores(self, outputs: Mapping[str, Tensor]) -> Tensor:
        """Return the geometric mean of a class's probability and of how central the point is."""
        return (outputs["logits"].float().sigmoid() * outputs["central"].float().sigmoid()).sqrt()

    def boxes(self, deltas: Tensor, anchors: Tensor) -> Tensor:
        """Return the boxes whose edges are so far from the points."""
        decoded: Tensor = self.coder.decode(deltas, anchors)
        return decoded


def _with_one(targets: Sequence[Target]) -> list[Target]:
    """Return targets of which none is empty: torchvision looks up box 0 for points that belong to nothing."""
    return [
        target
        if len(target["boxes"])
        else {
            "boxes": target["boxes"].new_tensor([[0.0, 0.0, 1.0, 1.0]]),
            "labels": target["labels"].new_zeros(1),
        }
        for target in targets
    ]
