"""Tiles of a scene, and what they are called: `scene.tif/000512,000000,0512,0480`. Torch-free."""

from __future__ import annotations

import re
from itertools import pairwise
from pathlib import Path

Region = tuple[int, int, int, int]
"""Top, left, height and width in pixels."""

_NAME = re.compile(r"(\d+),(\d+),(\d+),(\d+)")


def tiles_of(size: tuple[int, int], side: int) -> list[Region]:
    """Return regions of nearly `side` pixels that cover (H, W) without overlap; one alone where it is not larger."""
    if not side:
        return [(0, 0, *size)]
    rows, columns = (_edges(length, side) for length in size)
    return [
        (top, left, bottom - top, right - left) for top, bottom in pairwise(rows) for left, right in pairwise(columns)
    ]


def _edges(length: int, side: int) -> list[int]:
    """Return edges that divide a length evenly: no sliver at the end, which would show nothing."""
    parts = max(1, round(length / side))
    return [round(part * length / parts) for part in range(parts + 1)]


def part_of(scene: Path, region: Region) -> Path:
    """Return the path of a tile."""
    top, left, height, width = region
    return scene / f"{top:06d},{left:06d},{height:04d},{width:04d}"


def region_of(path: Path) -> Region | None:
    """Return which region a path means, or None for a whole file."""
    found = _NAME.fullmatch(path.name)
    return None if found is None else (int(found[1]), int(found[2]), int(found[3]), int(found[4]))
