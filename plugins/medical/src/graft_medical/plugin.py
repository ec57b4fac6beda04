"""What graft-medical contributes. Imports nothing heavy."""

from __future__ import annotations

from collections.abc import Iterable

from graft.plugins import AugmentationSpec, DecoderSpec, DomainSpec, MetricSpec, OutputSpec, hookimpl

HOOK_API = 1

BACKBONES = {
    "densenet121": "what most results on chest X-rays are compared with (CheXNet)",
    "resnet50": "the usual encoder of a U-Net, and of detectors; takes one channel, or slices as channels",
    "efficientnet_b0": "for few images: few weights, and strong on skin and eye pictures",
    "mobilenetv3_large_100": "for a laptop, or beside a microscope",
}


@hookimpl
def graft_domains() -> Iterable[DomainSpec]:
    """Offer the domain."""
    return [
        DomainSpec(
            name="medical",
            summary="Images of patients: DICOM, NIfTI, microscopy; patients are never divided.",
            target="graft_medical.domain:Medical",
            recipe={"data": {"decoder": {"kind": "medical"}, "leaks": "stop"}},
            backbones=BACKBONES,
            samples={
                "labels": "graft_medical.sample:write_chests",
                "masks": "graft_medical.sample:write_heads",
                "boxes": "graft_medical.sample:write_smears",
            },
            demos={
                "classification": {
                    "backbone.channels": 1,
                    "backbone.size": 64,
                    "augment.kind": "scan",
                    "train.batch": 8,
                },
                "segmentation": {"backbone.channels": 1, "augment.kind": "scan", "train.epochs": 10, "train.batch": 4},
                "detection": {"data.group": "(slide-[a-z0-9]+)", "augment.kind": "stain", "train.epochs": 12},
            },
        )
    ]


@hookimpl
def graft_decoders() -> Iterable[DecoderSpec]:
    """Offer the decoder of scans."""
    return [
        DecoderSpec(
            name="medical",
            summary="DICOM and NIfTI through a window of values, in float; slices with their neighbours; usual files.",
            target="graft_medical.decoder:MedicalDecoder",
            options="graft_medical.options:MedicalOptions",
            suffixes=(".dcm", ".dicom", ".nii", ".nii.gz"),
        )
    ]


@hookimpl
def graft_outputs() -> Iterable[OutputSpec]:
    """Offer volumes and DICOM segmentations."""
    return [
        OutputSpec(
            name="nifti",
            summary="class numbers with the affine of the volume's own file",
            target="graft_medical.outputs:Nifti",
            tasks=("segmentation",),
        ),
        OutputSpec(
            name="dicom-seg",
            summary="a DICOM segmentation of each series; needs graft-medical[dicom-seg]",
            target="graft_medical.seg:DicomSeg",
            tasks=("segmentation",),
        ),
    ]


@hookimpl
def graft_augmentations() -> Iterable[AugmentationSpec]:
    """Offer presets for scans and for stained tissue."""
    return [
        AugmentationSpec(
            name="scan",
            summary="Another scanner: crops, mirror images, contrast, brightness, a bias field, noise.",
            target="graft_medical.augment:scan",
            options="graft_medical.options:ScanOptions",
        ),
        AugmentationSpec(
            name="stain",
            summary="Another laboratory: crops, mirror images both ways, stains taken up more or less, light.",
            target="graft_medical.augment:stain",
            options="graft_medical.options:StainOptions",
        ),
    ]


@hookimpl
def graft_metrics() -> Iterable[MetricSpec]:
    """Offer metrics."""
    borders = "surfaces:SurfaceDistances", "segmentation"
    metrics = {
        "hausdorff95": (*borders, "Hausdorff distance of borders in pixels, 95th percentile: mean, and per class."),
        "surface_distance": (*borders, "Average symmetric surface distance in pixels; comes with hausdorff95."),
        "lesion_sensitivity": (
            "lesions:Lesions",
            "segmentation",
            "Share of lesions of which a pixel is found: mean, and per class; and false_lesions per image.",
        ),
        **{
            f"sensitivity_at_{percent}": (
                f"sensitivity:SensitivityAt{percent}",
                "classification",
                f"Largest sensitivity at a specificity of {percent} % at least: mean, and per class.",
            )
            for percent in (90, 95, 99)
        },
    }
    return [
        MetricSpec(name=name, summary=summary, target=f"graft_medical.{target}", tasks=(task,))
        for name, (target, task, summary) in metrics.items()
    ]
