"""Writes `report.html`: one self-contained page about a run."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from graft.report.material import Material

if TYPE_CHECKING:
    from graft.runs.folder import Run


def write_report(run: Run, material: Material) -> Path:
    """Write the run's `report.html` and return its path.

    Results, learning curves, recipe, environment, skipped files and duplicates are read from the run folder, so the
    numbers in the report are those in `results.json`.
    """
    raise NotImplementedError
