"""Metrics: rows that can be taken apart and put together, and values that agree with a slow reference."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from graft.evaluation import Metric
from graft.plugins import MetricSpec, TaskSpec
from graft.testing.conformance.base import Conformance, Subject

if TYPE_CHECKING:
    from graft.testing.data import Lab

_CLOSE = 1e-6


@dataclass(frozen=True)
class Measured:
    """Predictions and what is true, in a fixed order.

    Args:
        predictions: `(N,)`, as a head's `decode` gives them.
        targets: `(N,)`, as the task's `encode` gives them.
        classes: The names of the classes.
        options: The task's options.
    """

    predictions: Sequence[Any]
    targets: Sequence[Any]
    classes: Sequence[str]
    options: Any


class MetricConformance(Conformance):
    """What is checked of a metric.

    Write `reference`, slow and plain, and it is compared with. Write `measured` for predictions of your own: by default
    they are what an untrained head of the task says of its sample data.
    """

    kind = MetricSpec
    base = Metric

    mergeable: bool = True
    """Whether rows say all of their sample by themselves, so that those of two halves make those of the whole. Say
    False where they are ranks among all samples, or the like."""

    def reference(self, given: Measured) -> Mapping[str, float] | None:
        """Return what some of the values must be, by name, by the simplest code there is. None leaves that out."""
        return None

    @pytest.fixture
    def measured(self, subject: Subject, graft_lab: Lab) -> Measured:
        """Predictions and what is true."""
        spec = subject.spec
        assert isinstance(spec, MetricSpec)
        served = [name for name in spec.tasks if name in subject.plugins.specs(TaskSpec)]
        if not served:
            subject.fail(
                f"none of its tasks is offered: {', '.join(spec.tasks) or 'it names none'}",
                expected="at least one that is installed",
                at=subject.place,
            )
        with subject.doing(
            f"setting a training of '{served[0]}' up",
            expected="a metric that measures what the task says without looking at the images",
            at=subject.method("compute"),
        ):
            experiment = graft_lab.experiment(served[0])
            predictions = graft_lab.predictions(served[0])
        return Measured(
            predictions,
            experiment.targets_of("test"),
            experiment.prepared.catalogue.classes,
            experiment.resolved.task_options,
        )

    @pytest.fixture
    def metric(self, subject: Subject, measured: Measured) -> Metric:
        """The metric, built."""
        with subject.doing("building it", expected="target(classes=, options=)", at=subject.method("__init__")):
            made: Metric = subject.target(classes=measured.classes, options=measured.options)
            return made

    def test_rows__one_for_each_sample(self, subject: Subject, metric: Metric, measured: Measured) -> None:
        """`rows` gives a row for each sample, which depends on that sample alone."""
        whole = self._rows(subject, metric, measured.predictions, measured.targets)
        if not self.mergeable:
            return
        half = max(1, len(whole) // 2)
        parts = [
            self._rows(subject, metric, measured.predictions[some], measured.targets[some])
            for some in (slice(0, half), slice(half, None))
            if len(measured.targets[some])
        ]
        with subject.doing("putting the rows of two halves together", expected="rows of one shape and type"):
            merged = np.concatenate(parts)
        self._same(
            subject,
            self._values(subject, metric, whole),
            self._values(subject, metric, merged),
            "of rows from two halves of the samples",
            "rows that say all of their sample, and nothing of the others",
            subject.method("rows"),
        )

    def test_compute__whatever_the_order(self, subject: Subject, metric: Metric, measured: Measured) -> None:
        """The order of the samples makes no difference."""
        order = np.random.default_rng(0).permutation(len(measured.targets))
        mixed = self._rows(
            subject, metric, [measured.predictions[i] for i in order], [measured.targets[i] for i in order]
        )
        straight = self._rows(subject, metric, measured.predictions, measured.targets)
        self._same(
            subject,
            self._values(subject, metric, straight),
            self._values(subject, metric, mixed),
            "of the samples in another order",
            "a value that does not depend on the order",
            subject.method("compute"),
        )

    def test_compute__of_resamples(self, subject: Subject, metric: Metric, measured: Measured) -> None:
        """Rows that are drawn with replacement, and few of them, give numbers, NaN where there is no value."""
        rows = self._rows(subject, metric, measured.predictions, measured.targets)
        before = [str(row) for row in rows]
        draw = np.random.default_rng(0)
        for count in (len(rows), len(rows), 2, 1):
            self._values(subject, metric, rows[draw.integers(0, len(rows), count)])
        subject.demand(
            before == [str(row) for row in rows],
            "compute writes into the rows that it is given",
            expected="rows as they were: they are resampled many times",
            at=subject.method("compute"),
        )
        once, again = self._values(subject, metric, rows), self._values(subject, metric, rows)
        self._same(subject, once, again, "the second time", "the same value again", subject.method("compute"))

    def test_names__are_its_own(self, subject: Subject, metric: Metric, measured: Measured) -> None:
        """Values are called as the metric is, further ones NAME.something."""
        values = self._values(subject, metric, self._rows(subject, metric, measured.predictions, measured.targets))
        spec = subject.spec
        assert isinstance(spec, MetricSpec)
        others = {name for name, one in subject.plugins.specs(MetricSpec).items() if one.target != spec.target}
        subject.demand(
            spec.name in values,
            f"no value is called '{spec.name}': {', '.join(values) or 'there is none'}",
            expected="the metric's own name for its main value: reports and train.monitor go by it",
            at=subject.method("compute"),
        )
        foreign = [name for name in values if name.partition(".")[0] in others - {spec.name}]
        subject.demand(
            not foreign,
            f"values are called {', '.join(foreign[:5])}, which are other metrics' names",
            expected=f"'{spec.name}', or '{spec.name}.something'",
            at=subject.method("compute"),
        )

    def test_reference__agrees(self, subject: Subject, metric: Metric, measured: Measured) -> None:
        """Its values are those of the reference, where there is one."""
        expected = self.reference(measured)
        if expected is None:
            return
        values = self._values(subject, metric, self._rows(subject, metric, measured.predictions, measured.targets))
        for name, value in expected.items():
            got = values.get(name, math.nan)
            subject.demand(
                name in values and (abs(got - value) <= _CLOSE or (math.isnan(got) and math.isnan(value))),
                f"'{name}' is {values.get(name, 'not there')}, and the reference says {value}",
                expected=f"a difference of at most {_CLOSE:g}",
                at=subject.method("compute"),
            )

    def _rows(self, subject: Subject, metric: Metric, predictions: Sequence[Any], targets: Sequence[Any]) -> Any:
        at = subject.method("rows")
        with subject.doing("rows", expected="an array with a row for each sample", at=at):
            rows = metric.rows(predictions, targets)
        subject.demand(
            isinstance(rows, np.ndarray) and rows.ndim >= 1 and len(rows) == len(targets),
            f"rows gave {getattr(rows, 'shape', type(rows).__name__)} for {len(targets)} samples",
            expected="an array (N, …) with one row for each sample",
            at=at,
        )
        return rows

    def _values(self, subject: Subject, metric: Metric, rows: Any) -> Mapping[str, float]:
        at = subject.method("compute")
        what = f"compute, of {len(rows)} rows,"
        with subject.doing(what, expected="named numbers, NaN where a value is not defined", at=at):
            values = metric.compute(rows)
        good = isinstance(values, dict) and all(isinstance(one, float | np.floating) for one in values.values())
        subject.demand(good, f"compute gave {values!r}", expected="a dict of names and floats", at=at)
        return values

    @staticmethod
    def _same(
        subject: Subject, one: Mapping[str, float], other: Mapping[str, float], when: str, expected: str, at: Any
    ) -> None:
        for name, value in one.items():
            again = other.get(name, math.nan)
            subject.demand(
                abs(again - value) <= _CLOSE or (math.isnan(value) and math.isnan(again)),
                f"'{name}' is {value}, and {when} {again}",
                expected=expected,
                at=at,
            )
