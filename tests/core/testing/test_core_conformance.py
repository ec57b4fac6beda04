"""Core's own offers, by the same classes as a plugin's."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from graft.testing import (
    AugmentationConformance,
    BackboneConformance,
    CommandConformance,
    DecoderConformance,
    ReaderConformance,
    StrategyConformance,
)


class TestAugmentations(AugmentationConformance):
    name = ("none", "flip", "basic", "strong")


class TestStrategies(StrategyConformance):
    name = ("fixed", "partial", "surgical", "lp-ft", "gradual", "discriminative", "full", "auto")


class TestEmbedded(BackboneConformance):
    name = "graft"


class TestTimm(BackboneConformance):
    name = "timm"
    archs = ("resnet18", "mobilenetv3_small_050")


class TestTorchvision(BackboneConformance):
    name = "torchvision"
    archs = ("shufflenet_v2_x0_5",)


class TestFolder(ReaderConformance):
    name = "folder"


class TestCsv(ReaderConformance):
    name = "csv"

    def good(self, folder: Path) -> Path:
        lines = ["path,label,split,group"]
        for number in range(8):
            name = f"{number}.png"
            Image.fromarray(np.full((20, 24, 3), 20 * number, np.uint8)).save(folder / name)
            lines.append(f"{name},{'cat' if number % 2 else 'dog'},{'train' if number < 6 else 'val'},{number // 2}")
        (folder / "labels.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")
        return folder / "labels.csv"


class TestSequences(ReaderConformance):
    name = "sequences"

    def good(self, folder: Path) -> Path:
        lines = ["path,label,sequence,frame"]
        for number in range(12):
            clip, frame = divmod(number, 3)
            name = f"{clip}-{frame}.png"
            Image.fromarray(np.full((20, 24, 3), 20 * number, np.uint8)).save(folder / name)
            lines.append(f"{name},{'walk' if clip % 2 else 'run'},clip{clip},{frame}")
        (folder / "frames.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")
        return folder / "frames.csv"


class TestStandardDecoder(DecoderConformance):
    name = "standard"

    def good(self, folder: Path) -> Sequence[Path]:
        draw = np.random.default_rng(0)
        colour = draw.integers(0, 256, (14, 18, 3), dtype=np.uint8)
        files = [folder / name for name in ("a.png", "b.jpg", "c.tif", "d.webp")]
        for file in files:
            Image.fromarray(colour + len(file.suffix)).save(file)
        deep = folder / "e.png"
        Image.fromarray(draw.integers(0, 2**16, (9, 7), dtype=np.uint16)).save(deep)
        return [*files, deep]


class TestCommands(CommandConformance):
    name = (
        *("try", "demo", "doctor", "plugins", "backbones", "data", "features", "cache", "recipe", "strategies"),
        *("resume", "report"),
    )


class TestList(CommandConformance):
    name = "plugins"

    def good(self, folder: Path) -> Sequence[object]:
        return ["list"]
