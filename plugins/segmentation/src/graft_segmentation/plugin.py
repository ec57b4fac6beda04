"""What this plugin contributes. Imports nothing heavy: every target is a string."""

from __future__ import annotations

from collections.abc import Iterable

from graft.plugins import HeadSpec, MetricSpec, ReaderSpec, TaskSpec, hookimpl

HOOK_API = 1

TASK = "segmentation"
TAKES = "masks"

_HEADS = {
    "unet": ("Unet", "any_level", "U-Net: skips at every level."),
    "unet++": ("UnetPlusPlus", "from_a_quarter", "UNet++: densely connected skips."),
    "deeplabv3": ("DeepLabV3", "any_level", "DeepLabv3: dilated convolutions side by side on the last map."),
    "deeplabv3+": ("DeepLabV3Plus", "quarter_and_eighth", "DeepLabv3+: the same, refined with a finer map."),
    "fpn": ("Fpn", "last_four", "Feature pyramid network."),
    "pspnet": ("Pspnet", "any_level", "PSPNet: averages over parts of the image."),
    "upernet": ("Upernet", "two_from_a_quarter", "UPerNet: PSPNet's averages and a feature pyramid."),
    "segformer": ("Segformer", "two_from_a_quarter", "SegFormer's decoder: a linear layer per level."),
    "fcn": ("Fcn", "any_level", "Fully convolutional: the last three maps, summed."),
}


@hookimpl
def graft_tasks() -> Iterable[TaskSpec]:
    """Return the task."""
    return [
        TaskSpec(
            name=TASK,
            summary="What each pixel shows: one class, or any number of them (task.labels=multi).",
            target="graft_segmentation.task:SegmentationTask",
            options="graft_segmentation.options:TaskOptions",
            verb="segment",
            takes=TAKES,
            head="unet",
            augment="basic",
            metrics=("iou", "dice", "pixel_accuracy", "boundary_f1"),
            monitor="iou",
            mixes=("mixup",),
            framing="windows",
            files={"png": "class numbers of each pixel, with a palette"},
            sample="graft_segmentation.sample:write_segmented",
            demo={
                "backbone.size": 64,
                "strategy.pace.lr": 2e-3,
                "strategy.pace.head": 2.0,
                "train.epochs": 18,
                "train.batch": 8,
                "evaluation.bootstrap": 200,
            },
        )
    ]


@hookimpl
def graft_heads() -> Iterable[HeadSpec]:
    """Return the heads."""
    return [
        HeadSpec(
            name=name,
            summary=summary,
            target=f"graft_segmentation.heads:{stem}Head",
            options="graft_segmentation.options:HeadOptions",
            tasks=(TASK,),
            needs="pyramid",
            fits=f"graft_segmentation.needs:{need}",
        )
        for name, (stem, need, summary) in _HEADS.items()
    ]


@hookimpl
def graft_readers() -> Iterable[ReaderSpec]:
    """Return the readers."""
    return [
        ReaderSpec(
            name="masks",
            summary="images/ beside masks/ with the same names, perhaps below train, val and test.",
            target="graft_segmentation.readers.folder:MaskFolderReader",
            options="graft_segmentation.options:MaskFolderOptions",
            gives=TAKES,
        ),
        ReaderSpec(
            name="pairs",
            summary="A table with the columns image and mask, and perhaps split and group.",
            target="graft_segmentation.readers.pairs:PairsReader",
            options="graft_segmentation.options:PairsOptions",
            gives=TAKES,
        ),
        ReaderSpec(
            name="coco-masks",
            summary="COCO's JSON with polygons and run lengths.",
            target="graft_segmentation.readers.coco:CocoMaskReader",
            options="graft_segmentation.options:CocoOptions",
            gives=TAKES,
        ),
    ]


@hookimpl
def graft_metrics() -> Iterable[MetricSpec]:
    """Return the metrics."""
    metrics = {
        "iou": ("Iou", "Intersection over union of pixels: mean over classes, and per class."),
        "dice": ("Dice", "Dice's coefficient, F1 of pixels: mean over classes, and per class."),
        "pixel_accuracy": ("PixelAccuracy", "Share of pixels that are right."),
        "boundary_f1": ("BoundaryF1", "F1 of boundary pixels within task.boundary pixels: mean, and per class."),
    }
    return [
        MetricSpec(name=name, summary=summary, target=f"graft_segmentation.metrics:{attribute}", tasks=(TASK,))
        for name, (attribute, summary) in metrics.items()
    ]
