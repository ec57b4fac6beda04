"""What this plugin contributes. Imports nothing heavy: every target is a string."""

from __future__ import annotations

from collections.abc import Iterable

from graft.plugins import HeadSpec, MetricSpec, ReaderSpec, TaskSpec, hookimpl

HOOK_API = 1

TASK = "regression"
VALUES = "values"
"""The kind of target: a number."""


@hookimpl
def graft_tasks() -> Iterable[TaskSpec]:
    """Offer the task."""
    return [
        TaskSpec(
            name=TASK,
            summary="A number for each image: a yield, an age, a share that is covered.",
            target="graft_regression.task:RegressionTask",
            verb="estimate",
            takes=VALUES,
            head="line",
            augment="flip",
            metrics=("r2", "mae"),
            monitor="r2",
            sample="graft_regression.sample:write_values",
        )
    ]


@hookimpl
def graft_heads() -> Iterable[HeadSpec]:
    """Offer the head."""
    return [
        HeadSpec(
            name="line",
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
            name="csv-values",
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
            name="r2",
            summary="Share of the variance that is explained: 1 is perfect, 0 is the mean of what is true.",
            target="graft_regression.metrics:R2",
            tasks=(TASK,),
        ),
        MetricSpec(
            name="mae",
            summary="Mean absolute error, in the unit of the values.",
            target="graft_regression.metrics:MeanAbsoluteError",
            tasks=(TASK,),
        ),
    ]
