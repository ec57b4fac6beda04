"""The contract, as every plugin's author checks it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from graft.testing import (
    AugmentationConformance,
    CommandConformance,
    DecoderConformance,
    DomainConformance,
    OutputConformance,
    PluginConformance,
    ReaderConformance,
)
from graft_satellite.decoder import SatelliteDecoder
from graft_satellite.options import SatelliteOptions
from graft_satellite.sample import BANDS, write_boxes
from scenes import scene


class TestPlugin(PluginConformance):
    name = "satellite"


class TestDomain(DomainConformance):
    name = "satellite"


class TestDecoder(DecoderConformance):
    name = "satellite"
    options = {"bands": ["nir", "red", "blue"], "high": 4000, "tile": 32}  # noqa: RUF012

    def good(self, folder: Path) -> Sequence[Path]:
        files = [folder / name for name in ("chip.tif", "scene.TIFF", "nowhere.tif")]
        scene(files[0], (20, 24))
        scene(files[1], (60, 90), dtype="float32", nodata=0)
        scene(files[2], (20, 30), crs=None, west=0, resolution=1)
        return files


class TestIndices(TestDecoder):
    options = {"names": list(BANDS), "bands": ["red"], "indices": ["ndvi", "ndwi"], "high": 4000}  # noqa: RUF012


class TestBytes(DecoderConformance):
    name = "satellite"
    options = {"bands": [3, 2, 1]}  # noqa: RUF012

    def good(self, folder: Path) -> Sequence[Path]:
        scene(folder / "chip.tif", (20, 24), dtype="uint8", count=3)
        draw = np.random.default_rng(0)
        Image.fromarray(draw.integers(0, 256, (15, 18, 3), np.uint8)).save(folder / "photo.png")
        return [folder / "chip.tif", folder / "photo.png"]


class TestVectorBoxes(ReaderConformance):
    name = "vector-boxes"
    decoder = SatelliteDecoder(options=SatelliteOptions(bands=("red", "nir"), high=4000))

    def good(self, folder: Path) -> Path:
        write_boxes(folder, size=32, per_class=1)
        return folder / "target"


class TestAugmentations(AugmentationConformance):
    name = ("overhead", "overhead-strong")


class TestGeoTiff(OutputConformance):
    name = "geotiff"
    domain = "satellite"


class TestGeoJson(OutputConformance):
    name = "geojson"
    domain = "satellite"


class TestCommand(CommandConformance):
    name = "satellite"

    def good(self, folder: Path) -> Sequence[object]:
        scene(folder / "chip.tif", (20, 24))
        return ["statistics", "chip.tif"]
