"""Its tests: the kit's classes, with a name each, a good film, and a slow reference."""

import numpy as np

from graft.testing import (
    AugmentationConformance,
    BackboneConformance,
    CommandConformance,
    DecoderConformance,
    DomainConformance,
    HeadConformance,
    MetricConformance,
    OutputConformance,
    PluginConformance,
    ReaderConformance,
    StrategyConformance,
    TaskConformance,
    WriterConformance,
)


class TestPlugin(PluginConformance):
    name = "meadow"


class TestTask(TaskConformance):
    name = "ripeness"


class TestHead(HeadConformance):
    name = "pooled"


class TestMetric(MetricConformance):
    name = "hit_rate"

    def reference(self, given):
        hits = 0
        for prediction, target in zip(given.predictions, given.targets, strict=True):
            best = max(range(len(prediction.scores)), key=lambda index: prediction.scores[index])
            hits += best == target
        return {"hit_rate": hits / len(given.targets)}


class TestReader(ReaderConformance):
    name = "jsonl"


class TestAugmentation(AugmentationConformance):
    name = "mown"


class TestDecoder(DecoderConformance):
    name = "film"

    def good(self, folder):
        files = []
        for number, shape in enumerate(((3, 8, 12), (1, 5, 4))):
            files.append(folder / f"{number}.npy")
            np.save(files[-1], np.random.default_rng(number).integers(0, 256, shape, dtype=np.uint8))
        return files


class TestDomain(DomainConformance):
    name = "meadow"


class TestStrategy(StrategyConformance):
    name = "gentle"


class TestBackbone(BackboneConformance):
    name = "meadow"


class TestWriter(WriterConformance):
    name = "lines"


class TestOutput(OutputConformance):
    name = "word"


class TestCommand(CommandConformance):
    name = "berries"

    def good(self, folder):
        (folder / "berry.png").touch()
        return ["."]
