"""The contract, as every plugin's author checks it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from graft.testing import (
    AugmentationConformance,
    DecoderConformance,
    HeadConformance,
    MetricConformance,
    PluginConformance,
    ReaderConformance,
    TaskConformance,
)
from graft.testing.conformance.metrics import Measured


class TestPlugin(PluginConformance):
    name = "pretraining"


class TestTask(TaskConformance):
    name = "pretraining"


class TestHeads(HeadConformance):
    name = ("simclr", "vicreg")


class TestReader(ReaderConformance):
    name = "images"


class TestDecoder(DecoderConformance):
    name = "generated"

    def good(self, folder: Path) -> Sequence[Path]:
        draw = np.random.default_rng(0)
        for number, kind in enumerate(("dead-leaves", "textures", "noise")):
            text = f'kind = "{kind}"\ncount = {2 + number}\nsize = {16 + 4 * number}\nseed = {number}\n'
            (folder / f"{kind}.toml").write_text(text, encoding="utf-8")
        Image.fromarray(draw.integers(0, 256, (15, 18, 3), np.uint8)).save(folder / "photo.png")
        return sorted(folder.iterdir())


class TestViews(AugmentationConformance):
    name = "views"


class TestRankMe(MetricConformance):
    name = "rankme"

    def reference(self, given: Measured) -> Mapping[str, float]:
        """The eigenvalues of the Gram matrix, one after the other."""
        rows = np.stack(given.predictions).astype(np.float64)
        values = [max(value, 0) ** 0.5 for value in np.linalg.eigvalsh(rows @ rows.T)]
        shares = [value / sum(values) + 1e-7 for value in values]
        return {"rankme": float(np.prod([share**-share for share in shares]))}
