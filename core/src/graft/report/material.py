"""What the report is made of, beside the files in the run folder."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from graft.data.decoder import STANDARD, Decoder
from graft.data.samples import PreparedData, Sample
from graft.domains import Domain
from graft.tasks.contract import Prediction, Task


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What a model said about the samples of one split, and what is true; all in the same order.

    Args:
        samples: The samples.
        predictions: What the head's `decode` gave for each.
        targets: What the task's `encode` gave for each.
    """

    samples: Sequence[Sample]
    predictions: Sequence[Prediction]
    targets: Sequence[Any]


@dataclass(frozen=True, kw_only=True)
class Material:
    """What a run folder does not hold; everything else in the report is read from it.

    Args:
        task: Draws its sections and captions.
        domain: Adds sections of its own, where there is one.
        decoder: Shows images.
        outcomes: Per split; `test` is shown, else `val`; splits without samples are left out.
        prepared: The data as it was read and split, or None when it cannot be read any more.
    """

    task: Task
    domain: Domain | None = None
    decoder: Decoder = STANDARD
    outcomes: Mapping[str, Outcome] = field(default_factory=dict)
    prepared: PreparedData | None = None
