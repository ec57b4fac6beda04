"""Which of a backbone's feature maps each head needs. Torch-free: asked when a recipe is checked.

A level is one halving of the image: level 2 is a quarter of its size.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

from graft.errors import Problem
from graft_segmentation.options import HeadOptions


def stages_of_levels(reductions: Sequence[int]) -> tuple[int | None, ...]:
    """Return for each level, from the image's size on, the last stage of that size; None where there is none.

    What there is at the image's own size (as VGG's stem) is left out.
    """
    last = {round(math.log2(reduction)): stage for stage, reduction in enumerate(reductions)}
    return (None, *(last.get(level) for level in range(1, max(last) + 1)))


def any_level(reductions: Sequence[int], options: HeadOptions) -> Problem | None:
    """Say so when there is no map that is smaller than the image: what most heads need."""
    return _missing(reductions, [] if _depth(reductions) else [1])


def quarter_and_eighth(reductions: Sequence[int], options: HeadOptions) -> Problem | None:
    """Say what DeepLabv3+ lacks: it refines what is coarser than an eighth with the map of a quarter."""
    return _missing(reductions, [2, 3])


def last_four(reductions: Sequence[int], options: HeadOptions) -> Problem | None:
    """Say what FPN lacks: the last four levels."""
    depth = _depth(reductions)
    return _missing(reductions, range(max(1, depth - 3), max(5, depth + 1)))


def from_a_quarter(reductions: Sequence[int], options: HeadOptions) -> Problem | None:
    """Say what UNet++ lacks: every level from a quarter of the image's size on, and one at least."""
    return _missing(reductions, range(2, max(3, _depth(reductions) + 1)))


def two_from_a_quarter(reductions: Sequence[int], options: HeadOptions) -> Problem | None:
    """Say what UPerNet and SegFormer lack: every level from a quarter of the image's size on, and two at least."""
    return _missing(reductions, range(2, max(4, _depth(reductions) + 1)))


def _depth(reductions: Sequence[int]) -> int:
    return len(stages_of_levels(reductions)) - 1


def _missing(reductions: Sequence[int], levels: Iterable[int]) -> Problem | None:
    stages = stages_of_levels(reductions)
    missing = [2**level for level in levels if level >= len(stages) or stages[level] is None]
    if not missing:
        return None
    there = [reduction for reduction in sorted(set(reductions)) if reduction > 1]
    has = f"has {_listed(there)}" if there else "has none that is smaller"
    what = f"this head needs feature maps of {_listed(missing)} of the image's size, and the backbone {has}"
    hint = "take unet or fcn, which need no certain ones, or another backbone"
    return Problem("head.kind", what, hint if there else "leave out backbone.upto, or take another backbone")


def _listed(reductions: Iterable[int]) -> str:
    return ", ".join(f"1/{reduction}" for reduction in reductions)
