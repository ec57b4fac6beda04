"""What the domain adds to splits and reports."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import Any

from graft.data import Sample
from graft.domains import Domain
from graft.report.sections import Section, Table
from graft.tasks import Task


class Agriculture(Domain):
    """Says in the report on which fields the model is wrong. That fields are never divided, groups see to."""

    def sections(
        self, task: Task, samples: Sequence[Sample], predictions: Sequence[Any], targets: Sequence[Any]
    ) -> list[Section]:
        """Return the mean error in each field, the worst first; nothing where no sample is of a field."""
        errors = defaultdict(list)
        for sample, error in zip(samples, task.errors(predictions, targets), strict=True):
            errors[sample.group or ""].append(float(error))
        if set(errors) <= {""}:
            return []
        rows = [(name or "(no field)", len(own), sum(own) / len(own)) for name, own in errors.items()]
        rows.sort(key=lambda row: -row[2])
        return [
            Section(
                title="Fields",
                how_to_read="A field that is far worse than the others differs in soil, variety or light.",
                parts=[Table(columns=("field", "images", "mean error"), rows=rows)],
            )
        ]
