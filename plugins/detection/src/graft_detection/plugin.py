"""What this plugin contributes. Imports nothing heavy: every target is a string."""

from __future__ import annotations

from collections.abc import Iterable

from graft.plugins import HeadSpec, MetricSpec, OutputSpec, ReaderSpec, TaskSpec, WriterSpec, hookimpl

HOOK_API = 1

TASK = "detection"

TAKES = "boxes"
"""The kind of target: `graft_detection.objects.Objects`."""


@hookimpl
def graft_tasks() -> Iterable[TaskSpec]:
    """Return the task."""
    return [
        TaskSpec(
            name=TASK,
            summary="What is where in an image: boxes with classes.",
            target="graft_detection.task:DetectionTask",
            options="graft_detection.options:TaskOptions",
            verb="detect",
            takes=TAKES,
            head="retinanet",
            augment="flip",
            metrics=("map",),
            monitor="map",
            framing="pad",
            files={
                "txt": "YOLO's lines of the sure detections",
            },
            # A detector's head is half of the network: at ten times the backbone's rate it learns worse, or diverges.
            recipe={"train": {"batch": 8}, "strategy": {"norm": "auto", "pace": {"head": 1.0}}},
            sample="graft_detection.sample:write_detected",
            demo={
                "head.kind": "ssd",
                "head.finest": 4,
                "head.extra": 0,
                "head.width": 64,
                "augment.kind": "flip",
                "augment.scale": 0.6,
                "backbone.size": 96,
                "strategy.pace.lr": 2e-3,
                "train.epochs": 20,
                "train.batch": 4,
                "evaluation.bootstrap": 200,
            },
        )
    ]


@hookimpl
def graft_outputs() -> Iterable[OutputSpec]:
    """Return what predictions are written as, beside the task's own files."""
    return [
        OutputSpec(
            name="coco",
            summary="COCO's JSON for each image, with the detections and their scores.",
            target="graft_detection.outputs:CocoJson",
            tasks=(TASK,),
        )
    ]


@hookimpl
def graft_heads() -> Iterable[HeadSpec]:
    """Return the detectors."""
    heads = {
        "retinanet": ("RetinaNetHead", "AnchorOptions", "RetinaNet: predictions everywhere, with the focal loss."),
        "fcos": ("FcosHead", "FcosOptions", "FCOS: predictions from points, without anchors."),
        "ssd": ("SsdHead", "SsdOptions", "SSD: predictions everywhere, by one layer per level; the fastest."),
        "faster-rcnn": ("FasterRcnnHead", "FasterRcnnOptions", "Faster R-CNN: proposals, and a closer look at each."),
    }
    return [
        HeadSpec(
            name=name,
            summary=summary,
            target=f"graft_detection.heads.{name.replace('-', '_')}:{attribute}",
            options=f"graft_detection.options:{options}",
            tasks=(TASK,),
            needs="pyramid",
            fits="graft_detection.needs:finest",
        )
        for name, (attribute, options, summary) in heads.items()
    ]


@hookimpl
def graft_metrics() -> Iterable[MetricSpec]:
    """Return the metrics: names of one that gives all their values."""
    summaries = {
        "map": "COCO's average precision, its mean over overlaps from 0.5 to 0.95; per class and size; average recall.",
        "map50": "Average precision at an overlap of 0.5; comes with map.",
        "map75": "Average precision at an overlap of 0.75; comes with map.",
        "ar100": "Average recall with 100 detections per class and image; comes with map.",
    }
    return [
        MetricSpec(name=name, summary=summary, target="graft_detection.evaluation.metrics:CocoMetrics", tasks=(TASK,))
        for name, summary in summaries.items()
    ]


@hookimpl
def graft_readers() -> Iterable[ReaderSpec]:
    """Return the formats of boxes."""
    formats = {
        "coco": ("coco:CocoReader", "CocoOptions", "COCO's JSON: one file, or one for each split."),
        "voc": ("voc:VocReader", "VocOptions", "Pascal VOC: an XML file per image, and lists for the splits."),
        "yolo": ("yolo:YoloReader", "YoloOptions", "YOLO: a text file per image, and a YAML file with the classes."),
        "csv-boxes": ("table:BoxTableReader", "BoxTableOptions", "A table with a row per object."),
    }
    return [
        ReaderSpec(
            name=name,
            summary=summary,
            target=f"graft_detection.formats.{target}",
            options=f"graft_detection.options:{options}",
            gives=TAKES,
        )
        for name, (target, options, summary) in formats.items()
    ]


@hookimpl
def graft_writers() -> Iterable[WriterSpec]:
    """Return the formats that boxes are converted to."""
    formats = {
        "coco": ("coco:CocoWriter", "COCO's JSON, one for each split, and a folder of images."),
        "voc": ("voc:VocWriter", "Pascal VOC: JPEGImages, Annotations and ImageSets."),
        "yolo": ("yolo:YoloWriter", "YOLO: images and labels by split, and data.yaml."),
        "csv": ("table:BoxTableWriter", "A table with a row per object, and a folder of images."),
    }
    return [
        WriterSpec(name=name, summary=summary, target=f"graft_detection.writers.{target}", takes=TAKES)
        for name, (target, summary) in formats.items()
    ]
