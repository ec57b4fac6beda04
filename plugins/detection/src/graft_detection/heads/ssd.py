"""SSD (Liu et al. 2016, "Single shot multibox detector"), on a feature pyramid."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, smooth_l1_loss
from torchvision.models.detection._utils import BoxCoder, SSDMatcher
from torchvision.models.detection.ssd import SSDHead as Layers

from graft.tasks import Outputs
from graft_detection.heads.dense import DenseHead, matched
from graft_detection.heads.levels import Anchors
from graft_detection.options import SsdOptions

_OCTAVE = 2


class SsdHead(DenseHead):
    """Each anchor is of one class out of all, or background; one convolution per level.

    An anchor belongs to the object that it overlaps by 0.5 or more, and each object gets its best anchor. Of the
    background, the anchors with the largest loss count, so many for each anchor that belongs to an object, and as many
    in an image without objects as for one.
    """

    options: SsdOptions

    def build(self, n_classes: int) -> None:
        """Make the layers, torchvision's."""
        self.anchors = Anchors(scale=self.options.anchor, octave=_OCTAVE, ratios=self.options.ratios)
        count = self.levels.count
        self.layers = Layers([self.options.width] * count, [self.anchors.per_cell] * count, n_classes + 1)
        # As in the other detectors. With torchvision's own first weights every anchor is of some class, and surely so.
        for layer in self.layers.modules():
            if isinstance(layer, nn.Conv2d):
                nn.init.normal_(layer.weight, std=0.01)
        self.matcher = SSDMatcher(0.5)
        self.coder = BoxCoder((10.0, 10.0, 5.0, 5.0))

    def predict(self, maps: list[Tensor], image_size: tuple[int, int]) -> dict[str, Tensor]:
        """Return logits, of the background first, and deltas of all anchors."""
        given = self.layers(maps)
        anchors = self.anchors(maps, image_size)
        return {"logits": given["cls_logits"], "deltas": given["bbox_regression"], "anchors": anchors}

    def loss(self, outputs: Outputs, targets: Any) -> dict[str, Tensor]:
        """Return `classes`, cross-entropy, and `boxes`, the deltas' smooth L1 distance; per anchor of an object."""
        assert not isinstance(outputs, Tensor)
        logits, deltas, anchors = outputs["logits"].float(), outputs["deltas"].float(), outputs["anchors"]
        labels = torch.zeros(logits.shape[:2], dtype=torch.int64, device=logits.device)
        shifts = deltas.sum() * 0
        for row, target in enumerate(targets):
            owner = matched(anchors, target, self.matcher)
            mine = torch.where(owner >= 0)[0]
            labels[row, mine] = target["labels"][owner[mine]] + 1
            wanted = self.coder.encode_single(target["boxes"][owner[mine]], anchors[mine])
            shifts = shifts + smooth_l1_loss(deltas[row, mine], wanted, reduction="sum")
        losses = cross_entropy(logits.flatten(0, 1), labels.flatten(), reduction="none").view(labels.shape)
        found = labels > 0
        wanted_of_background = (self.options.negatives * found.sum(dim=1, keepdim=True).clamp(min=1)).long()
        ranks = losses.detach().masked_fill(found, -1).argsort(dim=1, descending=True).argsort(dim=1)
        hard = (ranks < wanted_of_background) & ~found
        count = found.sum().clamp(min=1)
        return {"classes": (losses * (found | hard)).sum() / count, "boxes": shifts / count}

    def scores(self, outputs: Mapping[str, Tensor]) -> Tensor:
        """Return the classes' probabilities; what is missing to 1 is the background's."""
        return outputs["logits"].float().softmax(dim=-1)[..., 1:]

    def boxes(self, deltas: Tensor, anchors: Tensor) -> Tensor:
        """Return the anchors, shifted and scaled."""
        decoded: Tensor = self.coder.decode_single(deltas, anchors)
        return decoded
