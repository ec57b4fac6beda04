"""What graft-satellite contributes. Imports nothing heavy."""

from __future__ import annotations

from collections.abc import Iterable

from graft.plugins import (
    AugmentationSpec,
    CommandSpec,
    DecoderSpec,
    DomainSpec,
    OutputSpec,
    ReaderSpec,
    hookimpl,
)

HOOK_API = 1


@hookimpl
def graft_domains() -> Iterable[DomainSpec]:
    """Offer the domain."""
    four = {
        "data.decoder.bands": ["blue", "green", "red", "nir"],
        "data.decoder.high": 4000,
        "backbone.channels": 4,
    }
    return [
        DomainSpec(
            name="satellite",
            summary="Images of the earth: GeoTIFFs of any bands, scenes in tiles, places that are never divided.",
            target="graft_satellite.domain:Satellite",
            recipe={"data": {"decoder": {"kind": "satellite"}, "leaks": "stop"}, "augment": {"kind": "overhead"}},
            backbones={
                "resnet50": "the usual yardstick in remote sensing; its first layer is widened to any number of bands",
                "convnext_tiny": "the best of its size on most scene sets, where a GPU is at hand",
                "mobilenetv3_large_100": "for a laptop",
            },
            samples={
                "labels": "graft_satellite.sample:write_chips",
                "masks": "graft_satellite.sample:write_masks",
                "boxes": "graft_satellite.sample:write_boxes",
            },
            demos={"classification": four, "segmentation": {**four, "train.epochs": 10}, "detection": four},
        )
    ]


@hookimpl
def graft_decoders() -> Iterable[DecoderSpec]:
    """Offer the decoder of GeoTIFFs."""
    return [
        DecoderSpec(
            name="satellite",
            summary="GeoTIFFs of any bands: which, their range, spectral indices, tiles; other files as usual.",
            target="graft_satellite.decoder:SatelliteDecoder",
            options="graft_satellite.options:SatelliteOptions",
        )
    ]


@hookimpl
def graft_readers() -> Iterable[ReaderSpec]:
    """Offer the reader of shapes on a map."""
    return [
        ReaderSpec(
            name="vector-boxes",
            summary="GeoTIFFs with GeoJSON or GeoPackage files of shapes beside them, as boxes.",
            target="graft_satellite.boxes:VectorBoxReader",
            options="graft_satellite.options:VectorBoxOptions",
            gives="boxes",
        )
    ]


@hookimpl
def graft_augmentations() -> Iterable[AugmentationSpec]:
    """Offer presets for images from above."""
    summaries = {
        "overhead": "Crops, and all turns and mirror images by quarters: there is no up and down.",
        "overhead-strong": "As overhead, with other light in each band, haze and sensor noise.",
    }
    return [
        AugmentationSpec(
            name=name,
            summary=summary,
            target=f"graft_satellite.augment:{name.replace('-', '_')}",
            options="graft_satellite.options:GroundOptions",
        )
        for name, summary in summaries.items()
    ]


@hookimpl
def graft_outputs() -> Iterable[OutputSpec]:
    """Offer maps."""
    return [
        OutputSpec(
            name="geotiff",
            summary="class numbers in the scene's own grid",
            target="graft_satellite.outputs:GeoTiff",
            tasks=("segmentation",),
        ),
        OutputSpec(
            name="geojson",
            summary="boxes as shapes in degrees",
            target="graft_satellite.outputs:GeoJson",
            tasks=("detection",),
        ),
    ]


@hookimpl
def graft_commands() -> Iterable[CommandSpec]:
    """Offer the domain's own command."""
    return [
        CommandSpec(
            name="satellite",
            summary="Look at scenes: the values of their bands, as lines for a recipe.",
            target="graft_satellite.statistics:app",
        )
    ]
