"""What graft-driving contributes. Imports nothing heavy."""

from __future__ import annotations

from collections.abc import Iterable

from graft.plugins import AugmentationSpec, CommandSpec, DomainSpec, MetricSpec, ReaderSpec, hookimpl

HOOK_API = 1


@hookimpl
def graft_domains() -> Iterable[DomainSpec]:
    """Offer the domain."""
    return [
        DomainSpec(
            name="driving",
            summary="Images from the road: street scenes, drives.",
            target="graft_driving.domain:Driving",
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
