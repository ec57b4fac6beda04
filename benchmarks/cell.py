"""One cell of `domains.py`: a task on a data set of a domain."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, kw_only=True)
class Cell:
    """One task on one data set of a domain.

    Args:
        recipe: What all arms share.
        arms: What each sets over it.
        epochs: Of each run.
    """

    recipe: Mapping[str, Any]
    arms: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    epochs: int


SCRATCH = {"backbone.weights": "none"}
"""What the control sets: the same network without pretrained weights."""
