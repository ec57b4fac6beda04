"""Faster R-CNN (Ren et al. 2015) with a feature pyramid (Lin et al. 2017)."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torchvision.models.detection.faster_rcnn import FastRCNNPredictor, TwoMLPHead
from torchvision.models.detection.roi_heads import RoIHeads, fastrcnn_loss
from torchvision.models.detection.rpn import RegionProposalNetwork, RPNHead, concat_box_prediction_layers

from graft.backbones import BackboneInfo
from graft.errors import UserError
from graft.tasks import Features, Head, Outputs
from graft_detection.detections import Detections
from graft_detection.heads.dense import Target, chosen
from graft_detection.heads.levels import Anchors, Levels
from graft_detection.heads.pooling import BoxPooling
from graft_detection.options import FasterRcnnOptions
from graft_detection.task import DetectionTask

_LOOK = 7
"""Side of what is looked at of a proposal, in cells."""


class FasterRcnnHead(Head):
    """Proposes boxes for objects of any class, and then looks at each of them.

    `forward` goes as far as no target is needed: to the levels' maps, and what the proposals are made from. Which
    proposals are looked at depends in training on the targets, so the second stage runs in `loss`, and in `decode`.
    """

    def __init__(
        self, *, info: BackboneInfo, classes: Sequence[str], options: FasterRcnnOptions, task: DetectionTask
    ) -> None:
        super().__init__(info=info, classes=classes, options=options, task=task)
        self.options = options
        self.levels = Levels(info, options)
        self.anchors = Anchors(scale=options.anchor, octave=1, ratios=options.ratios)
        many = {"training": 2 * options.proposals, "testing": options.proposals}
        self.rpn = RegionProposalNetwork(
            nn.Identity(),  # anchors are ours
            RPNHead(options.width, self.anchors.per_cell),
            fg_iou_thresh=0.7,
            bg_iou_thresh=0.3,
            batch_size_per_image=256,
            positive_fraction=0.5,
            pre_nms_top_n=many,
            post_nms_top_n={"training": options.proposals, "testing": options.proposals},
            nms_thresh=0.7,
        )
        names = [str(number) for number in range(self.levels.count)]
        self.roi = RoIHeads(
            BoxPooling(names, side=_LOOK, samples=2),
            TwoMLPHead(options.width * _LOOK**2, options.hidden),
            FastRCNNPredictor(options.hidden, len(classes) + 1),
            fg_iou_thresh=0.5,
            bg_iou_thresh=0.5,
            batch_size_per_image=options.sampled,
            positive_fraction=0.25,
            bbox_reg_weights=None,
            score_thresh=options.score,
            nms_thresh=options.overlap,
            detections_per_img=options.most,
        )

    def forward(self, features: Features, image_size: tuple[int, int]) -> Outputs:
        """Return `map0` … `(B, width, H_i, W_i)`, and `objectness<i>`, `deltas<i>` and `anchors` of the proposals."""
        assert features.pyramid is not None  # for the type checker: the descriptor says that it needs the pyramid
        maps = self.levels(features.pyramid)
        objectness, deltas = self.rpn.head(maps)
        outputs = {"anchors": self.anchors(maps, image_size), "size": torch.tensor(image_size)}
        for number, (level, score, shift) in enumerate(zip(maps, objectness, deltas, strict=True)):
            outputs |= {f"map{number}": level, f"objectness{number}": score, f"deltas{number}": shift}
        return outputs

    def loss(self, outputs: Outputs, targets: Any) -> dict[str, Tensor]:
        """Return the terms of the proposals, `objectness` and `proposals`, and of what is seen in them."""
        assert not isinstance(outputs, Tensor)
        proposals, scores, deltas = self.proposals(outputs, len(targets))
        anchors = [outputs["anchors"]] * len(targets)
        labels, owners = self.rpn.assign_targets_to_anchors(anchors, targets)
        wanted = self.rpn.box_coder.encode(owners, anchors)
        objectness, shifts = self.rpn.compute_loss(scores, deltas, labels, wanted)
        samples, _, kinds, corrections = self.roi.select_training_samples(proposals, _from_one(targets))
        logits, corrected = self.look(outputs, samples)
        classes, boxes = fastrcnn_loss(logits, corrected, kinds, corrections)
        return {"objectness": objectness, "proposals": shifts, "classes": classes, "boxes": boxes}

    def decode(self, outputs: Outputs, image_sizes: Sequence[tuple[int, int]]) -> list[Detections]:
        """Return what is found in each image, in the pixels of the network's input."""
        assert not isinstance(outputs, Tensor)
        with torch.no_grad():
            proposals, _, _ = self.proposals(outputs, len(image_sizes))
            logits, deltas = self.look(outputs, proposals)
            # Without any proposal torchvision's coder returns another shape.
            boxes = self.roi.box_coder.decode(deltas, proposals).float().reshape(*logits.shape, 4)
            scores = logits.float().softmax(dim=-1)[:, 1:]
        found = []
        counts = [len(own) for own in proposals]
        for own, likely, size in zip(torch.split(boxes, counts), torch.split(scores, counts), image_sizes, strict=True):
            at, labels = torch.where(likely > self.options.score)
            found.append(chosen(own[at, labels + 1], likely[at, labels], labels, size, self.options))
        return found

    def exported(self, outputs: Outputs) -> dict[str, Tensor]:
        """Refuse: how many proposals there are depends on the image, and so does the network.

        Raises:
            UserError: Always.
        """
        raise UserError(
            "faster-rcnn cannot be exported: what its second stage looks at depends on what the first one finds",
            fix="train head=retinanet, fcos or ssd for a model that is to be exported",
        )

    def proposals(self, outputs: Mapping[str, Tensor], n: int) -> tuple[list[Tensor], Tensor, Tensor]:
        """Return the proposals `(P, 4)` of each image, and scores and deltas `(B · A, …)` that they are made from."""
        numbers = range(self.levels.count)
        levels = [outputs[f"objectness{number}"] for number in numbers]
        counts = [level[0].numel() for level in levels]
        scores, deltas = concat_box_prediction_layers(levels, [outputs[f"deltas{number}"] for number in numbers])
        boxes = self.rpn.box_coder.decode(deltas.detach(), [outputs["anchors"]] * n).view(n, -1, 4)
        height, width = self.image_size(outputs)
        with torch.no_grad():
            kept, _ = self.rpn.filter_proposals(boxes.float(), scores.float(), [(height, width)] * n, counts)
        return kept, scores, deltas

    def look(self, outputs: Mapping[str, Tensor], boxes: list[Tensor]) -> tuple[Tensor, Tensor]:
        """Return logits and corrections of boxes, those of all images after each other."""
        maps = OrderedDict((str(number), outputs[f"map{number}"]) for number in range(self.levels.count))
        seen = self.roi.box_roi_pool(maps, boxes, [self.image_size(outputs)] * len(boxes))
        logits, corrections = self.roi.box_predictor(self.roi.box_head(seen))
        return logits, corrections

    @staticmethod
    def image_size(outputs: Mapping[str, Tensor]) -> tuple[int, int]:
        """Return the (H, W) of the network's input."""
        height, width = outputs["size"].tolist()
        return int(height), int(width)


def _from_one(targets: Sequence[Target]) -> list[dict[str, Tensor]]:
    """Return targets whose label 0 is the background."""
    return [{"boxes": target["boxes"], "labels": target["labels"] + 1} for target in targets]
