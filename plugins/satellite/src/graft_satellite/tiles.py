"""Tiles of a scene, and what they are called: `scene.tif/000512,000000,0512,0480`. Torch-free."""

from __future__ import annotations

import re
from dataclasses import dataclass
from itertools import pairwise
from math import ceil
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


@dataclass(frozen=True)
class Tile:
    """A tile that has some of its pixels in common with the next ones.

    Args:
        seen: The region that it shows.
        own: The region of what it alone answers for, up to the middle of what it has in common with others.
    """

    seen: Region
    own: Region


def overlapping(size: tuple[int, int], side: int, overlap: float) -> list[Tile]:
    """Return tiles of `side` pixels that cover (H, W), row by row; one alone where `tiles_of` gives one.

    Args:
        size: (H, W) of the scene.
        side: Of a tile; 0 cuts nothing.
        overlap: Share of a tile that it has in common with the next one, at least.
    """
    rows, columns = (_stretches(length, side, overlap) for length in size)
    return [
        Tile(seen=(top, left, height, width), own=(own_top, own_left, own_height, own_width))
        for top, height, own_top, own_height in rows
        for left, width, own_left, own_width in columns
    ]


def _stretches(length: int, side: int, overlap: float) -> list[tuple[int, int, int, int]]:
    """Return start and length of each tile along one side, and of what it alone answers for."""
    if not side or round(length / side) <= 1:
        return [(0, length, 0, length)]
    gaps = ceil((length - side) / (side * (1 - overlap)))
    starts = [round(place * (length - side) / gaps) for place in range(gaps + 1)]
    edges = [0, *((start + before + side) // 2 for before, start in pairwise(starts)), length]
    return [(start, side, own, end - own) for start, (own, end) in zip(starts, pairwise(edges), strict=True)]


def part_of(scene: Path, region: Region) -> Path:
    """Return the path of a tile."""
    top, left, height, width = region
    return scene / f"{top:06d},{left:06d},{height:04d},{width:04d}"


def region_of(path: Path) -> Region | None:
    """Return which region a path means, or None for a whole file."""
    found = _NAME.fullmatch(path.name)
    return None if found is None else (int(found[1]), int(found[2]), int(found[3]), int(found[4]))
