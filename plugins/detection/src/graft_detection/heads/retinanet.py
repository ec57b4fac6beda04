"""RetinaNet (Lin et al. 2017, "Focal loss for dense object detection")."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import Tensor
from torchvision.models.detection._utils import BoxCoder, Matcher
from torchvision.models.detection.retinanet import RetinaNetHead as Layers

from graft.tasks import Outputs
from graft_detection.heads.dense import DenseHead, matched
from graft_detection.heads.levels import Anchors
from graft_detection.options import AnchorOptions

_OCTAVE = 3


class RetinaNetHead(DenseHead):
    """Each anchor says for each class whether it is there, and how far its box is off; the focal loss for the former.

    An anchor belongs to the object that it overlaps by 0.5 or more, and to the background below 0.4; each object gets
    the anchors that overlap it most, however little.
    """

    options: AnchorOptions

    def build(self, n_classes: int) -> None:
        """Make the layers, torchvision's."""
        self.anchors = Anchors(scale=self.options.anchor, octave=_OCTAVE, ratios=self.options.ratios)
        self.layers = Layers(self.options.width, self.anchors.per_cell, n_classes)
        self.matcher = Matcher(0.5, 0.4, allow_low_quality_matches=True)
        self.coder = BoxCoder((1.0, 1.0, 1.0, 1.0))

    def predict(self, maps: list[Tensor], image_size: tuple[int, int]) -> dict[str, Tensor]:
        """Return logits and deltas of all anchors."""
        given = self.layers(maps)
        anchors = self.anchors(maps, image_size)
        return {"logits": given["cls_logits"], "deltas": given["bbox_regression"], "anchors": anchors}

    def loss(self, outputs: Outputs, targets: Any) -> dict[str, Tensor]:
        """Return `classes`, the focal loss, and `boxes`, the L1 distance of the deltas; per object of an image."""
        assert not isinstance(outputs, Tensor)
        anchors = outputs["anchors"]
        objects = [matched(anchors, target, self.matcher) for target in targets]
        given = {"cls_logits": outputs["logits"], "bbox_regression": outputs["deltas"]}
        terms = self.layers.compute_loss(targets, given, [anchors] * len(targets), objects)
        return {"classes": terms["classification"], "boxes": terms["bbox_regression"]}

    def scores(self, outputs: Mapping[str, Tensor]) -> Tensor:
        """Return each class's own probability."""
        return outputs["logits"].float().sigmoid()

    def boxes(self, deltas: Tensor, anchors: Tensor) -> Tensor:
        """Return the anchors, shifted and scaled."""
        decoded: Tensor = self.coder.decode_single(deltas, anchors)
        return decoded
