from __future__ import annotations

from typing import Any

import numpy as np

from graft.evaluation import Metric, build_metrics
from graft.plugins import MetricSpec
from graft.recipe.schema import Options


class Remembering(Metric):
    def __init__(self, *, classes: Any, options: Any) -> None:
        super().__init__(classes=classes, options=options)
        self.options = options

    def rows(self, predictions: Any, targets: Any) -> Any:
        return np.zeros(len(predictions))

    def compute(self, rows: Any) -> dict[str, float]:
        return {}


class Targets:
    """Stands for the plugin manager."""

    def target(self, spec: MetricSpec) -> type[Metric]:
        return {"m:A": Remembering, "m:B": type("B", (Remembering,), {})}[spec.target]


def spec(name: str, target: str) -> MetricSpec:
    return MetricSpec(name=name, summary="", target=target, tasks=("t",))


def test_build_metrics__once_each_in_order() -> None:
    options = Options()
    specs = [spec("b", "m:B"), spec("a", "m:A"), spec("p:b", "m:B")]
    built = build_metrics(specs, classes=["x", "y"], options=options, plugins=Targets())
    assert [type(metric).__name__ for metric in built] == ["B", "Remembering"]
    assert built[0].classes == ("x", "y")
    assert built[0].options is options
