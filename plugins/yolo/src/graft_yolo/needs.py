"""Which of a backbone's feature maps the head needs. Torch-free: asked when a recipe is checked."""

from __future__ import annotations

from collections.abc import Sequence

from graft.errors import Problem
from graft_yolo.options import YoloHeadOptions

STRIDES = (8, 16, 32)
"""Reductions of the three maps that the neck connects."""


def levels(reductions: Sequence[int]) -> tuple[int, ...]:
    """Return the number of the last stage of each of these reductions, as far as there is one."""
    last = {reduction: number for number, reduction in enumerate(reductions)}
    return tuple(last[stride] for stride in STRIDES if stride in last)


def three_levels(reductions: Sequence[int], options: YoloHeadOptions) -> Problem | None:
    """Say what is missing of the three maps."""
    if len(levels(reductions)) == len(STRIDES):
        return None
    there = ", ".join(map(str, sorted(set(reductions))))
    what = f"YOLO connects maps of reductions 8, 16 and 32, and the backbone has {there}"
    return Problem("head.kind", what, "leave out backbone.upto, or take another head, as ssd with head.finest")
