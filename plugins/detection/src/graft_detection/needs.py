"""Which of a backbone's feature maps detectors need. Torch-free: asked when a recipe is checked."""

from __future__ import annotations

from collections.abc import Sequence

from graft.errors import Problem
from graft_detection.options import DetectorOptions


def finest(reductions: Sequence[int], options: DetectorOptions) -> Problem | None:
    """Say so when no stage is as coarse as the finest level that is asked for."""
    coarsest = max(reductions)
    if coarsest >= options.finest:
        return None
    there = ", ".join(map(str, sorted(set(reductions))))
    what = f"no stage has a reduction of {options.finest} or more; there are {there}"
    return Problem("head.finest", what, f"set head.finest={coarsest}, or less")
