"""YOLO's neck and predictions (Redmon et al. 2016; here of ultralytics' v8, 11 and 26), on any backbone's pyramid."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import torch
from torch import Tensor, nn

from graft.backbones import BackboneInfo
from graft.errors import Problem, RecipeError, WeightsError
from graft.safeload import load_state_dict
from graft.tasks import Features, Head, Outputs
from graft_detection.detections import Detections
from graft_detection.task import DetectionTask
from graft_yolo._ultralytics import (
    Concat,
    E2ELoss,
    dist2bbox,
    make_anchors,
    non_max_suppression,
    v8DetectionLoss,
)
from graft_yolo.needs import STRIDES, levels, three_levels
from graft_yolo.networks import neck
from graft_yolo.options import YoloHeadOptions
from graft_yolo.resave import RESAVE

_NUMBERED = re.compile(r"(?:[a-z_]+\.)*(\d+\..+)")
"""A tensor's name, from the number of its layer on, whatever is before it: `model.`, `head.layers.`."""


class YoloHead(Head):
    """ultralytics' layers behind the trunk, its loss and its decoding, as they are.

    Outputs are `boxes` `(B, 4 R, A)`, R bins or one value for the distance of each edge, and `scores` `(B, K, A)`,
    logits, of A points; the levels' maps, `level0` …, the finest first; and `size`, the input's width and height,
    twice. yolo26 predicts a second time, from maps without gradient, and once for each object: `once.boxes` and
    `once.scores`.

    Two things differ from ultralytics' own trainer. The loss is a mean over images, not multiplied by their number.
    And yolo26's two predictions keep the weights with which ultralytics begins, 0.8 and 0.2, for the whole training.
    """

    def __init__(
        self, *, info: BackboneInfo, classes: Sequence[str], options: YoloHeadOptions, task: DetectionTask
    ) -> None:
        super().__init__(info=info, classes=classes, options=options, task=task)
        reductions = [stage.reduction for stage in info.stages]
        if problem := three_levels(reductions, options):
            raise RecipeError("the head does not fit the backbone", problems=[problem])
        self.options = options
        self.stages = levels(reductions)
        channels = [info.stages[number].channels for number in self.stages]
        layers, self.inputs = neck(options.version, options.size, channels=channels, classes=len(classes))
        self.layers = nn.ModuleDict({str(number): layer for number, layer in layers.items()})
        self.detect.stride = torch.tensor(STRIDES, dtype=torch.float32)
        self.detect.max_det = options.most
        self.detect.bias_init()

    @property
    def detect(self) -> Any:
        """The last layer."""
        return list(self.layers.values())[-1]

    @property
    def twice(self) -> bool:
        """Whether there are second predictions."""
        return getattr(self.detect, "one2one_cv2", None) is not None

    def prepare(self, targets: Sequence[Any]) -> Mapping[str, Any]:
        """Begin from `weights`, where they are named, and return what was taken of them.

        Raises:
            WeightsError: When they cannot be read, are not finite, or nothing of them fits.
        """
        if self.options.weights is None:
            return {}
        path = Path(self.options.weights).expanduser()
        given = {
            found[1]: tensor
            for name, tensor in load_state_dict(path, way_out=RESAVE).items()
            if (found := _NUMBERED.fullmatch(name))
        }
        places = self.layers.state_dict()
        fits = {
            name: given[name] for name, place in places.items() if name in given and given[name].shape == place.shape
        }
        if not fits:
            raise WeightsError(
                f"{path}: nothing in it is of the neck or the predictions of {self.options.version}{self.options.size}",
                fix="set head.version and head.size as in the file's name, or leave out head.weights",
            )
        broken = [name for name, tensor in fits.items() if not torch.isfinite(tensor).all()]
        if broken:
            raise WeightsError(
                f"{path}: NaN or infinity in {len(broken)} tensors",
                problems=[Problem(name, "") for name in broken],
                fix="bring a checkpoint from before its training went wrong",
            )
        self.layers.load_state_dict(fits, strict=False)
        new = [name for name in places if name not in fits]
        taken = f"{len(fits)} of {len(places)} tensors from {path.name}"
        return {"begins with": taken + (f", new are {', '.join(_layers(new))}" if new else "")}

    def forward(self, features: Features, image_size: tuple[int, int]) -> Outputs:
        """Return the outputs."""
        assert features.pyramid is not None  # for the type checker: the descriptor says that it needs the pyramid
        maps = [
            _fitted(features.pyramid[stage], image_size, stride)
            for stage, stride in zip(self.stages, STRIDES, strict=True)
        ]
        known = dict(zip(self.inputs, maps, strict=True))
        x = maps[-1]
        detect = self.detect
        for number, layer in list(self.layers.items())[:-1]:
            if isinstance(layer, Concat):
                other = known[layer.f[1]]
                # Of an odd number of cells, twice as many as half of them are one too many.
                x = layer([x[..., : other.shape[2], : other.shape[3]], other])
            else:
                x = layer(x)
            known[int(number)] = x
        seen = [known[number] for number in detect.f]
        outputs = _predicted(detect.forward_head(seen, **detect.one2many))
        if self.twice:
            once = detect.forward_head([level.detach() for level in seen], **detect.one2one)
            outputs |= {f"once.{name}": tensor for name, tensor in _predicted(once).items()}
        height, width = image_size
        size = torch.tensor([width, height] * 2, dtype=torch.float32, device=x.device)
        return {**outputs, **{f"level{number}": level for number, level in enumerate(seen)}, "size": size}

    def loss(self, outputs: Outputs, targets: Any) -> dict[str, Tensor]:
        """Return `box`, `cls`, and `dfl`, or for yolo26 `l1`: ultralytics' terms, for one image."""
        assert not isinstance(outputs, Tensor)
        with torch.autocast(outputs["scores"].device.type, enabled=False):
            many = self._part(outputs)
            gains = SimpleNamespace(box=self.options.box, cls=self.options.cls, dfl=self.options.dfl)
            model = SimpleNamespace(parameters=self.detect.parameters, args=gains, model=[self.detect])
            batch = _batch(targets, many["feats"][0])
            if self.twice:
                terms, _ = E2ELoss(model)({"one2many": many, "one2one": self._part(outputs, "once.")}, batch)
            else:
                terms, _ = v8DetectionLoss(model)(many, batch)
        return dict(zip(("box", "cls", "l1" if self.twice else "dfl"), terms / len(targets), strict=True))

    def decode(self, outputs: Outputs, image_sizes: Sequence[tuple[int, int]]) -> list[Detections]:
        """Return what is found in each image, in the pixels of the network's input."""
        assert not isinstance(outputs, Tensor)
        options = self.options
        with torch.no_grad():
            boxes, scores = self._decoded(outputs, corners=not options.nms)
            if options.nms:
                found = non_max_suppression(
                    torch.cat([boxes, scores], dim=1),
                    conf_thres=options.score,
                    iou_thres=options.overlap,
                    multi_label=True,
                    max_det=options.most,
                    max_time_img=float("inf"),  # else images are left out when it takes long
                )
            else:
                surest = self.detect.postprocess(torch.cat([boxes, scores], dim=1).transpose(1, 2))
                found = [rows[rows[:, 4] > options.score] for rows in surest]
        return [_detections(rows, size) for rows, size in zip(found, image_sizes, strict=True)]

    def exported(self, outputs: Outputs) -> dict[str, Tensor]:
        """Return `boxes` `(B, A, 4)`, in shares of the input's width and height, and `scores` `(B, A, K)`.

        With `nms`, boxes that overlap surer ones of their class are yet to be left out.
        """
        assert not isinstance(outputs, Tensor)
        boxes, scores = self._decoded(outputs, corners=True)
        return {"boxes": (boxes.transpose(1, 2) / outputs["size"]).clamp(0, 1), "scores": scores.transpose(1, 2)}

    def _part(self, outputs: Mapping[str, Tensor], which: str = "") -> dict[str, Any]:
        """Return predictions as ultralytics has them, in float32; of the levels' maps it needs the sizes."""
        maps = [outputs[f"level{number}"].detach().float() for number in range(len(STRIDES))]
        return {"boxes": outputs[f"{which}boxes"].float(), "scores": outputs[f"{which}scores"].float(), "feats": maps}

    def _decoded(self, outputs: Mapping[str, Tensor], *, corners: bool) -> tuple[Tensor, Tensor]:
        """Return `(B, 4, A)` boxes in pixels, by corners or by centre and sides, and `(B, K, A)` scores in 0…1."""
        given = self._part(outputs, "" if self.options.nms else "once.")
        points, strides = make_anchors(given["feats"], self.detect.stride, 0.5)
        distances = self.detect.dfl(given["boxes"])
        boxes: Tensor = dist2bbox(distances, points.transpose(0, 1).unsqueeze(0), xywh=not corners, dim=1)
        return boxes * strides.transpose(0, 1), given["scores"].sigmoid()


def _fitted(level: Tensor, image_size: tuple[int, int], stride: int) -> Tensor:
    """Return a map with one cell for each `stride` pixels begun: convolutions without padding give fewer."""
    wanted = tuple(-(-side // stride) for side in image_size)
    if tuple(level.shape[2:]) == wanted:
        return level
    return nn.functional.interpolate(level, size=wanted, mode="bilinear", align_corners=False)


def _predicted(predictions: Mapping[str, Any]) -> dict[str, Tensor]:
    return {name: predictions[name] for name in ("boxes", "scores")}


def _batch(targets: Sequence[Mapping[str, Tensor]], finest: Tensor) -> dict[str, Tensor]:
    """Return targets in ultralytics' form; boxes by centre and sides, in shares of what the finest map covers."""
    rows, columns = finest.shape[2:]
    covered = torch.tensor([columns, rows] * 2, dtype=torch.float32, device=finest.device) * STRIDES[0]
    corners = torch.cat([target["boxes"] for target in targets])
    boxes = torch.cat([(corners[:, :2] + corners[:, 2:]) / 2, corners[:, 2:] - corners[:, :2]], dim=1) / covered
    counts = torch.tensor([len(target["boxes"]) for target in targets])
    return {
        "batch_idx": torch.arange(len(targets)).repeat_interleave(counts).to(boxes),
        "cls": torch.cat([target["labels"] for target in targets]).to(boxes),
        "bboxes": boxes,
    }


def _detections(rows: Tensor, size: tuple[int, int]) -> Detections:
    """Return `(N, 6)` rows of left, top, right, bottom, score and class, cut at the border of an image of (H, W)."""
    height, width = size
    boxes = rows[:, :4].clone()
    boxes[:, 0::2] = boxes[:, 0::2].clamp(0, width)
    boxes[:, 1::2] = boxes[:, 1::2].clamp(0, height)
    there = ((boxes[:, 2:] - boxes[:, :2]) > 1e-2).all(dim=1)
    return Detections(
        boxes=boxes[there].cpu().numpy(),
        labels=rows[there, 5].long().cpu().numpy(),
        scores=rows[there, 4].cpu().numpy(),
        size=size,
    )


def _layers(names: Sequence[str]) -> list[str]:
    """Return what tensors belong to, the layer's number and its part, as in `23.cv3`, each once."""
    return list(dict.fromkeys(".".join(name.split(".")[:2]) for name in names))
