"""Measured values with their intervals."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from graft.errors import PluginError
from graft.evaluation.intervals import FEWEST, percentile_interval, resamples
from graft.evaluation.metrics import Metric, Value


def evaluate(
    metrics: Sequence[Metric],
    predictions: Sequence[Any],
    targets: Sequence[Any],
    *,
    bootstrap: int,
    seed: int,
    groups: Sequence[str] | None = None,
) -> dict[str, Value]:
    """Return every value of the metrics by name, with its 95 % interval.

    All metrics see the same resamples, so that their values can be compared within one. There is no interval of fewer
    than `FEWEST` samples or groups, nor where a value is mostly undefined.

    Args:
        metrics: As `build_metrics` gives them.
        predictions: One per sample, as the head's `decode` gives them.
        targets: One per sample, as the task's `encode` gives them.
        bootstrap: Number of resamples; 0 for values without intervals.
        seed: Of the resamples.
        groups: The group of each sample; groups are then resampled instead of samples.

    Returns:
        Values by name, in the order of the metrics; empty when there are no predictions.

    Raises:
        PluginError: When two metrics give a value of the same name.
    """
    if not len(predictions):
        return {}
    rows = [metric.rows(predictions, targets) for metric in metrics]
    measured = _compute(metrics, rows)
    units = len(predictions) if groups is None else len(set(groups))
    drawn = resamples(len(predictions), count=bootstrap if units >= FEWEST else 0, seed=seed, groups=groups)
    resampled = [_compute(metrics, [row[indices] for row in rows]) for indices in drawn]
    values = {}
    for name, value in measured.items():
        interval = percentile_interval([again.get(name, np.nan) for again in resampled])
        values[name] = Value(value, *(interval or ()))
    return values


def _compute(metrics: Sequence[Metric], rows: Sequence[NDArray[Any]]) -> dict[str, float]:
    """The values of all metrics in one mapping."""
    values: dict[str, float] = {}
    owners: dict[str, Metric] = {}
    for metric, own_rows in zip(metrics, rows, strict=True):
        for name, value in metric.compute(own_rows).items():
            if name in owners:
                raise PluginError(
                    f"Two metrics give a value named '{name}': {_name(owners[name])} and {_name(metric)}",
                    fix="leave one of them out of evaluation.metrics",
                )
            owners[name] = metric
            values[name] = value
    return values


def _name(metric: Metric) -> str:
    return f"{type(metric).__module__}.{type(metric).__qualname__}"
