"""The contract, by Graft's own kit."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from graft_agriculture.sample import write_surveys

from graft.testing import (
    AugmentationConformance,
    DomainConformance,
    MetricConformance,
    PluginConformance,
    ReaderConformance,
)


class TestPlugin(PluginConformance):
    name = "agriculture"


class TestDomain(DomainConformance):
    name = "agriculture"


class TestLight(AugmentationConformance):
    name = "field-light"


class TestSurvey(ReaderConformance):
    name = "survey"

    def good(self, folder: Path) -> Path:
        write_surveys(folder / "made", size=16, per_class=2)
        return folder / "made" / "target"


class TestKappa(MetricConformance):
    name = "quadratic_kappa"

    def reference(self, given: Any) -> dict[str, float]:
        """Slow and plain: squares of differences, over what they would be between any two."""
        said = [int(prediction.scores.argmax()) for prediction in given.predictions]
        pairs = list(zip(said, map(int, given.targets), strict=True))
        seen = sum((one - other) ** 2 for one, other in pairs) / len(pairs)
        chance = sum((one - other) ** 2 for one, _ in pairs for _, other in pairs) / len(pairs) ** 2
        return {"quadratic_kappa": 1 - seen / chance}
