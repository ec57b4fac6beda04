"""The contract, as every plugin's author checks it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from graft.testing import (
    AugmentationConformance,
    DecoderConformance,
    DomainConformance,
    MetricConformance,
    OutputConformance,
    PluginConformance,
)
from scans import ct, volume


class TestPlugin(PluginConformance):
    name = "medical"


class TestDomain(DomainConformance):
    name = "medical"


class TestDecoder(DecoderConformance):
    name = "medical"

    def good(self, folder: Path) -> Sequence[Path]:
        draw = np.random.default_rng(0)
        files = [folder / name for name in ("slice.dcm", "film.dcm", "volume.nii.gz", "stored.nii", "cell.png")]
        ct(files[0], draw.integers(-900, 900, (20, 24)), slope=2, intercept=-100, PatientID="1")
        ct(files[1], draw.integers(-900, 900, (3, 12, 16)), PatientID="2")
        volume(files[2], draw.integers(0, 900, (9, 8, 4)).astype(np.int16))
        volume(files[3], draw.normal(0, 1, (5, 6, 7)).astype(np.float32), axes="LPS")
        Image.fromarray(draw.integers(0, 256, (15, 18, 3), np.uint8)).save(files[4])
        return files


class TestNeighbours(TestDecoder):
    options = {"neighbours": 1}  # noqa: RUF012

    def good(self, folder: Path) -> Sequence[Path]:
        return [file for file in super().good(folder) if file.suffix != ".png"]


class TestVariation(AugmentationConformance):
    name = ("scan", "stain")


class TestBending(TestVariation):
    options = {"elastic": 0.06}  # noqa: RUF012


class TestMetrics(MetricConformance):
    name = ("hausdorff95", "lesion_sensitivity")


class TestSensitivity(MetricConformance):
    name = "sensitivity_at_95"
    mergeable = False  # rows are ranks


class TestNifti(OutputConformance):
    name = "nifti"
    domain = "medical"
