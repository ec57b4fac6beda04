"""What this plugin contributes. Imports nothing heavy: every target is a string."""

from __future__ import annotations

from collections.abc import Iterable

from graft.plugins import HeadSpec, MetricSpec, ReaderSpec, TaskSpec, hookimpl

HOOK_API = 1

TASK = "regression"
VALUES = "regression-values"
"""The kind of target: a number."""


@hookimpl
def graft_tasks() -> Iterable[TaskSpec]:
    """Offer the task."""
    return [
        TaskSpec(
            name=TASK,
            summary="A number for each image: a yield, an age, a share that is covered.",
            target="graft_regression.task:RegressionTask",
            verb="regression",
            takes=VALUES,
            head="regression-line",
            augment="flip",
            metrics=("regression_r2", "regression_mae"),
            monitor="regression_r2",
            sample="graft_regression.sample:write_values",
        )
    ]


@hookimpl
def graft_heads() -> Iterable[HeadSpec]:
    """Offer the head."""
    return [
        HeadSpec(
            name="regression-line",
            summary="One linear layer on the pooled embedding, with Huber's loss.",
            target="graft_regression.head:LineHead",
            options="graft_regression.options:LineOptions",
            tasks=(TASK,),
            needs="embedding",
        )
    ]


@hookimpl
def graft_readers() -> Iterable[ReaderSpec]:
    """Offer the reader."""
    return [
        ReaderSpec(
            name="regression-table",
            summary="A table with a number for each image: path,value.",
            target="graft_regression.reader:ValueReader",
            options="graft_regression.options:ValueOptions",
            gives=VALUES,
        )
    ]


@hookimpl
def graft_metrics() -> Iterable[MetricSpec]:
    """Offer the metrics."""
    return [
        MetricSpec(
            name="regression_r2",
            summary="Share of the variance that is explained: 1 is perfect, 0 is the mean of what is true.",
            target="graft_regression.metrics:R2",
            tasks=(TASK,),
        ),
        MetricSpec(
            name="regression_mae",
            summary="Mean absolute error, in the unit of the values.",
            target="graft_regression.metrics:MeanAbsoluteError",
            tasks=(TASK,),
        ),
    ]
