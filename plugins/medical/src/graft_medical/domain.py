"""The domain itself: its part of the report. What must not be divided are patients: groups, which core watches."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from graft.data.samples import Sample
from graft.domains import Domain
from graft.report.sections import Section

if TYPE_CHECKING:
    from graft.tasks import Prediction, Task


class Medical(Domain):
    """Images of patients."""

    def sections(
        self, task: Task, samples: Sequence[Sample], predictions: Sequence[Prediction], targets: Sequence[Any]
    ) -> list[Section]:
        """Return for scores what is found at fixed specificities, and for masks how far off borders are."""
        from graft_medical import sections

        return sections.sections(task, samples, predictions, targets, self.decoder)
