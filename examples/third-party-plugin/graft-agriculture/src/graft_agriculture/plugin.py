"""What this plugin contributes. Imports nothing heavy: every target is a string."""

from __future__ import annotations

from collections.abc import Iterable

from graft.plugins import AugmentationSpec, DomainSpec, MetricSpec, ReaderSpec, hookimpl

HOOK_API = 1


@hookimpl
def graft_domains() -> Iterable[DomainSpec]:
    """Offer the domain."""
    return [
        DomainSpec(
            name="agriculture",
            summary="Leaves and canopies, photographed in fields.",
            target="graft_agriculture.domain:Agriculture",
            recipe={"data": {"leaks": "stop"}, "augment": {"kind": "field-light"}},
            recipes={
                "classification": {
                    # A folder for each field also looks like a folder for each class.
                    "data": {"reader": {"kind": "survey"}},
                    # Grades are in an order: taking 3 for 2 is less wrong than taking it for 0.
                    "evaluation": {"metrics": ["quadratic_kappa", "balanced_accuracy"]},
                }
            },
            backbones={"mobilenetv3_large_100": "runs on a phone, in the field"},
            samples={
                "labels": "graft_agriculture.sample:write_surveys",
                "masks": "graft_agriculture.sample:write_masks",
            },
            demos={"classification": {}, "segmentation": {}},
        )
    ]


@hookimpl
def graft_readers() -> Iterable[ReaderSpec]:
    """Offer the layout of a survey."""
    return [
        ReaderSpec(
            name="survey",
            summary="A folder for each field, each with photographs and a plots.csv: photo,grade.",
            target="graft_agriculture.survey:SurveyReader",
            options="graft_agriculture.options:SurveyOptions",
            gives="labels",
        )
    ]


@hookimpl
def graft_augmentations() -> Iterable[AugmentationSpec]:
    """Offer what the sun does."""
    return [
        AugmentationSpec(
            name="field-light",
            summary="Crops, mirror images both ways; the sun's colour and direction, and shadows across the image.",
            target="graft_agriculture.light:FieldLight",
            options="graft_agriculture.options:LightOptions",
        )
    ]


@hookimpl
def graft_metrics() -> Iterable[MetricSpec]:
    """Offer the metric of grades."""
    return [
        MetricSpec(
            name="quadratic_kappa",
            summary="Agreement of grades beyond chance; two grades apart count four times as wrong as one.",
            target="graft_agriculture.grades:QuadraticKappa",
            tasks=("classification",),
        )
    ]
