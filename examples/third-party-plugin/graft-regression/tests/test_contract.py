"""The contract, by Graft's own kit."""

from __future__ import annotations

from typing import Any

from graft.testing import (
    HeadConformance,
    MetricConformance,
    PluginConformance,
    ReaderConformance,
    TaskConformance,
)


class TestPlugin(PluginConformance):
    name = "regression"


class TestTask(TaskConformance):
    name = "regression"


class TestHead(HeadConformance):
    name = "regression-line"


class TestReader(ReaderConformance):
    name = "regression-table"


class TestR2(MetricConformance):
    name = "regression_r2"

    def reference(self, given: Any) -> dict[str, float]:
        """As scikit-learn says it: one less the ratio of two sums of squares."""
        true = [float(value) for value in given.targets]
        mean = sum(true) / len(true)
        missed = sum((float(said) - value) ** 2 for said, value in zip(given.predictions, true, strict=True))
        return {"regression_r2": 1 - missed / sum((value - mean) ** 2 for value in true)}


class TestMae(MetricConformance):
    name = "regression_mae"

    def reference(self, given: Any) -> dict[str, float]:
        pairs = zip(given.predictions, given.targets, strict=True)
        return {"regression_mae": sum(abs(float(said) - float(true)) for said, true in pairs) / len(given.targets)}
