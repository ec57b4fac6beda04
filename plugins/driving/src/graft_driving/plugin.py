"""What graft-driving contributes. Imports nothing heavy."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from graft.plugins import AugmentationSpec, CommandSpec, DomainSpec, MetricSpec, ReaderSpec, hookimpl

HOOK_API = 1

RECIPES: Mapping[str, Mapping[str, Any]] = {
    # Signs that point to the left mean something else than those that point to the right.
    "classification": {"augment": {"kind": "signs"}},
}
"""What the domain sets where it was measured to help; see docs/guide/driving.md for what was not."""

BACKBONES = {
    "mobilenetv3_large_100": "fast enough for each frame of a camera in a car, with batches of one",
    "resnet50": "what most results on Cityscapes and BDD100K are compared with",
    "regnety_016": "between the two: few operations, and convolutions that accelerators in cars run well",
    "convnext_tiny": "where a camera's pictures are judged later, off the road, and time matters less",
}


@hookimpl
def graft_domains() -> Iterable[DomainSpec]:
    """Offer the domain."""
    return [
        DomainSpec(
            name="driving",
            summary="Images from the road: street scenes, drives.",
            target="graft_driving.domain:Driving",
            recipes=RECIPES,
            backbones=BACKBONES,
            samples={
                "labels": "graft_driving.sample:write_signs",
                "masks": "graft_driving.sample:write_scenes",
                "boxes": "graft_driving.sample:write_boxes",
            },
            demos={
                "classification": {"data.group": "([^/]+/[0-9]+)_", "augment.kind": "signs"},
                "segmentation": {"augment.kind": "basic"},
                "detection": {"augment.kind": "flip"},
            },
        )
    ]


@hookimpl
def graft_readers() -> Iterable[ReaderSpec]:
    """Offer the layouts of driving data sets."""
    readers = {
        "cityscapes": ("masks", "cityscapes:CityscapesReader", "CityscapesOptions", "Cityscapes: leftImg8bit, gtFine."),
        "camvid": ("masks", "camvid:CamVidReader", "CamVidOptions", "CamVid: masks in colours, or in numbers."),
        "bdd100k": ("boxes", "bdd100k:BddBoxReader", "BoxOptions", "BDD100K's boxes: labels/det_20, or 2018's."),
        "bdd100k-masks": ("masks", "bdd100k:BddMaskReader", "SceneOptions", "BDD100K's masks: labels/sem_seg."),
        "kitti": ("boxes", "kitti:KittiBoxReader", "KittiBoxOptions", "KITTI's boxes: image_2, label_2."),
        "kitti-masks": ("masks", "kitti:KittiMaskReader", "SceneOptions", "KITTI's masks: image_2, semantic."),
    }
    return [
        ReaderSpec(
            name=name,
            summary=summary,
            target=f"graft_driving.readers.{target}",
            options=f"graft_driving.options:{options}",
            gives=gives,
        )
        for name, (gives, target, options, summary) in readers.items()
    ]


@hookimpl
def graft_augmentations() -> Iterable[AugmentationSpec]:
    """Offer what varies images from the road."""
    presets = {
        "road": ("Street scenes: crops, mirror images; rain, fog, glare, night, motion blur and noise.", ()),
        "signs": ("Traffic signs: as road, and never mirrored.", ("classification",)),
    }
    return [
        AugmentationSpec(
            name=name,
            summary=summary,
            target=f"graft_driving.augment:{name}",
            options="graft_driving.options:RoadOptions",
            tasks=tasks,
        )
        for name, (summary, tasks) in presets.items()
    ]


@hookimpl
def graft_commands() -> Iterable[CommandSpec]:
    """Offer the report on robustness."""
    return [
        CommandSpec(
            name="driving",
            summary="What rain, fog, night and bad cameras cost a model, and its time for an image.",
            target="graft_driving.cli:app",
        )
    ]


@hookimpl
def graft_metrics() -> Iterable[MetricSpec]:
    """Offer average precision by distance: names of one metric that gives all its values."""
    return [
        MetricSpec(
            name=f"map_{name}",
            summary=f"Average precision of objects that are {name}, by how high their boxes are; all distances come.",
            target="graft_driving.distance:PrecisionByDistance",
            tasks=("detection",),
        )
        for name in ("near", "middle", "far")
    ]
