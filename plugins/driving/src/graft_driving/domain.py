"""The domain itself: frames that are nearly the same in two splits, and its part of the report."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from graft.data.samples import Catalogue, Sample
from graft.domains import Domain
from graft.errors import Problem
from graft.report.sections import Section
from graft_driving.frames import near_pairs

if TYPE_CHECKING:
    from graft.tasks import Prediction, Task


IN_SECONDS = ("camvid", "cityscapes", "kitti", "kitti-masks")
"""The readers whose times are seconds of a drive; those of other data can be days."""


class Driving(Domain):
    """Images from the road. What belongs together is a drive, which is core's to watch as a group."""

    def leaks(self, catalogue: Catalogue, split: Mapping[str, Sequence[int]]) -> list[Problem]:
        """Return, for each drive, how many neighbours within seconds of each other are in different splits."""
        if catalogue.reader not in IN_SECONDS:
            return []
        placed = ((name, catalogue.samples[index]) for name, indices in split.items() for index in indices)
        return [
            Problem(
                f"drive {drive}" if drive else "the one drive",
                f"{len(pairs)} pairs of neighbours are in different splits: {first[1].id} in {first[0]}, and "
                f"{first[4]:.1f} s later {first[3].id} in {first[2]}",
            )
            for drive, pairs in near_pairs(placed).items()
            for first in pairs[:1]
        ]

    def sections(
        self, task: Task, samples: Sequence[Sample], predictions: Sequence[Prediction], targets: Sequence[Any]
    ) -> list[Section]:
        """Return classes by how much hangs on them, and for boxes how far away things are found."""
        from graft_driving import sections

        return sections.sections(task.classes, predictions, targets)
