"""From the metrics that a recipe names to objects that measure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from pydantic import BaseModel

from graft.evaluation.metrics import Metric
from graft.plugins.descriptors import MetricSpec

if TYPE_CHECKING:
    from graft.plugins import Plugins


def build_metrics(
    specs: Sequence[MetricSpec], *, classes: Sequence[str], options: BaseModel, plugins: Plugins
) -> list[Metric]:
    """Return one metric object per descriptor, in their order; one that is named twice is built once.

    Args:
        specs: What the recipe names.
        classes: Class names in their fixed order.
        options: The task's options.
        plugins: Imports the targets.

    Raises:
        PluginError: When a target cannot be imported.
    """
    once = {spec.target: spec for spec in specs}
    return [plugins.target(spec)(classes=classes, options=options) for spec in once.values()]
