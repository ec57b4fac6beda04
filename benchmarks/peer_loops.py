"""The other side of `side_by_side.py`: how torchvision, smp and ultralytics train, in their own words.

Each function trains on the images of a `Task` and returns the seconds of training (without validation), how many images
were seen in them, and what is predicted of the test images. Nothing of Graft is imported here.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset

Found = list[dict[str, Any]]


@dataclass(frozen=True)
class Task:
    """What is trained on.

    Args:
        train, test: Rows with `image`, and `boxes` and `labels` (from 0), or `mask`.
        classes: Their names.
        weights: torchvision's MobileNet v2, ImageNet.
        size, batch, epochs, seed: As in Graft's recipe.
        samples: Images, or crops, in an epoch.
        folder: Where files may be written.
    """

    train: list[dict[str, Any]]
    test: list[dict[str, Any]]
    classes: list[str]
    weights: Path
    size: int
    batch: int
    epochs: int
    seed: int
    samples: int
    folder: Path


def mobilenet(task: Task) -> dict[str, Tensor]:
    """Return the weights' tensors."""
    state = torch.load(task.weights, map_location="cpu", weights_only=True)
    return {name: value.float() if value.is_floating_point() else value for name, value in state.items()}


class Rows(Dataset[Any]):
    """Reads a row's files each time, as the libraries' examples do."""

    def __init__(self, rows: list[dict[str, Any]], read: Callable[[dict[str, Any]], Any], length: int) -> None:
        self.rows, self.read, self.length = rows, read, length

    def __len__(self) -> int:
        return self.length

    def __getitem__(self, index: int) -> Any:
        return self.read(self.rows[index % len(self.rows)])


def pixels(path: str) -> Tensor:
    """Return `(3, H, W)` in 0…1."""
    with Image.open(path) as image:
        return torch.from_numpy(np.array(image.convert("RGB"))).permute(2, 0, 1).float() / 255


# --- torchvision: references/detection (train.py, engine.py) ---------------------------------------------------------


def torchvision_detector(task: Task, head: dict[str, Any]) -> tuple[float, int, Found]:
    """Train Faster R-CNN as torchvision's reference does: SGD, warm-up in the first epoch, steps, mirrored images.

    Raises:
        FloatingPointError: The loss is not finite, where the reference stops.
    """
    from torchvision.models import mobilenet_v2
    from torchvision.models.detection import FasterRCNN
    from torchvision.models.detection.anchor_utils import AnchorGenerator
    from torchvision.models.detection.backbone_utils import _mobilenet_extractor
    from torchvision.models.detection.faster_rcnn import FastRCNNPredictor, TwoMLPHead
    from torchvision.ops import FrozenBatchNorm2d, MultiScaleRoIAlign

    trunk = mobilenet_v2(norm_layer=FrozenBatchNorm2d)
    trunk.load_state_dict(mobilenet(task), strict=False)
    backbone = _mobilenet_extractor(trunk, True, 6, returned_layers=[2, 3, 5])
    anchors = tuple((int(head["anchor"] * stride),) for stride in (8, 16, 32, 64))
    model = FasterRCNN(
        backbone,
        box_head=TwoMLPHead(256 * 7 * 7, head["hidden"]),
        box_predictor=FastRCNNPredictor(head["hidden"], len(task.classes) + 1),
        rpn_anchor_generator=AnchorGenerator(anchors, ((0.5, 1.0, 2.0),) * 4),
        box_roi_pool=MultiScaleRoIAlign(["0", "1", "2", "pool"], 7, 2),
        rpn_post_nms_top_n_train=head["proposals"],
        rpn_post_nms_top_n_test=head["proposals"],
        box_batch_size_per_image=head["sampled"],
        min_size=task.size * 3 // 4,
        max_size=task.size,
        image_mean=[0.5] * 3,
        image_std=[0.5] * 3,
    )

    def read(row: dict[str, Any]) -> Any:
        image, boxes = pixels(row["image"]), torch.tensor(row["boxes"], dtype=torch.float32).reshape(-1, 4)
        if torch.rand(()) < 0.5:
            image = image.flip(-1)
            boxes = torch.stack(
                [image.shape[-1] - boxes[:, 2], boxes[:, 1], image.shape[-1] - boxes[:, 0], boxes[:, 3]], 1
            )
        return image, {"boxes": boxes, "labels": torch.tensor(row["labels"], dtype=torch.int64) + 1}

    data = Rows(task.train, read, task.samples)
    loader = DataLoader(data, task.batch, shuffle=True, collate_fn=lambda batch: tuple(zip(*batch, strict=True)))
    optimizer = torch.optim.SGD(model.parameters(), lr=0.02 * task.batch / 16, momentum=0.9, weight_decay=1e-4)
    steps = [round(task.epochs * share) for share in (16 / 26, 22 / 26)]
    schedule = torch.optim.lr_scheduler.MultiStepLR(optimizer, milestones=steps, gamma=0.1)
    began = time.perf_counter()
    model.train()
    for epoch in range(task.epochs):
        rising = min(1000, len(loader) - 1)
        warm_up = torch.optim.lr_scheduler.LinearLR(optimizer, start_factor=1 / 1000, total_iters=rising)
        for images, targets in loader:
            loss = sum(model(list(images), list(targets)).values())
            if not torch.isfinite(loss):
                raise FloatingPointError(f"the loss is {loss.item()} in epoch {epoch} (seed {task.seed})")
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            if epoch == 0:
                warm_up.step()
        schedule.step()
    seconds = time.perf_counter() - began
    model.eval()
    found = []
    with torch.inference_mode():
        for row in task.test:
            (one,) = model([pixels(row["image"])])
            found.append(
                {
                    "boxes": one["boxes"].tolist(),
                    "labels": (one["labels"] - 1).tolist(),
                    "scores": one["scores"].tolist(),
                }
            )
    return seconds, task.epochs * task.samples, found


# --- segmentation-models-pytorch: examples/camvid_segmentation_multiclass --------------------------------------------


def smp_unet(task: Task, width: int) -> tuple[float, int, Found]:
    """Train U-Net as smp's CamVid example does: Dice, Adam at 2e-4, cosine; random crops, mirrored."""
    import segmentation_models_pytorch as smp

    blocks = [min(256, width * 2**place) for place in reversed(range(5))]
    model = smp.Unet("mobilenet_v2", encoder_weights=None, classes=len(task.classes), decoder_channels=blocks)
    model.encoder.load_state_dict(mobilenet(task))
    size = task.size

    def read(row: dict[str, Any]) -> Any:
        image, mask = pixels(row["image"]), torch.from_numpy(np.array(Image.open(row["mask"]))).long()
        top, left = (int(torch.randint(length - size + 1, ())) for length in mask.shape)
        image, mask = image[:, top : top + size, left : left + size], mask[top : top + size, left : left + size]
        return (image.flip(-1), mask.flip(-1)) if torch.rand(()) < 0.5 else (image, mask)

    loader = DataLoader(Rows(task.train, read, task.samples), task.batch, shuffle=True)
    criterion = smp.losses.DiceLoss(smp.losses.MULTICLASS_MODE, from_logits=True, ignore_index=len(task.classes))
    optimizer = torch.optim.Adam(model.parameters(), lr=2e-4)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=task.epochs * len(loader), eta_min=1e-5)
    began = time.perf_counter()
    model.train()
    for _ in range(task.epochs):
        for images, masks in loader:
            loss = criterion(model((images - 0.5) / 0.5), masks)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
    seconds = time.perf_counter() - began
    model.eval()
    found = []
    with torch.inference_mode():
        for row in task.test:
            image = pixels(row["image"])
            height, width = image.shape[1:]
            padded = nn.functional.pad((image - 0.5)[None] / 0.5, (0, -width % 32, 0, -height % 32), mode="reflect")
            found.append({"mask": model(padded)[0, :, :height, :width].argmax(0).numpy().astype(np.uint8)})
    return seconds, task.epochs * task.samples, found


# --- ultralytics: its own trainer ------------------------------------------------------------------------------------


def ultralytics_detector(task: Task) -> tuple[float, int, Found]:
    """Train YOLO11n from scratch with ultralytics' trainer and its defaults; data.yaml lies in `folder`."""
    from ultralytics import YOLO

    model = YOLO("yolo11n.yaml")
    marks: list[float] = []
    spent: list[float] = []
    model.add_callback("on_train_epoch_start", lambda trainer: marks.append(time.perf_counter()))
    model.add_callback("on_train_epoch_end", lambda trainer: spent.append(time.perf_counter() - marks[-1]))
    how = {"imgsz": task.size, "batch": task.batch, "epochs": task.epochs, "device": "cpu", "workers": 0}
    how["seed"] = task.seed
    quiet = {"plots": False, "verbose": False, "amp": False, "pretrained": False, "cache": "ram"}
    model.train(data=str(task.folder / "data.yaml"), project=str(task.folder / "runs"), **how, **quiet)
    found = []
    for row in task.test:
        options = {"imgsz": task.size, "conf": 0.001, "iou": 0.7, "max_det": 300, "verbose": False, "device": "cpu"}
        (one,) = model.predict(row["image"], **options)
        boxes = one.boxes
        found.append({"boxes": boxes.xyxy.tolist(), "labels": boxes.cls.int().tolist(), "scores": boxes.conf.tolist()})
    return sum(spent), task.epochs * task.samples, found
