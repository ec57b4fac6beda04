"""The frames of a sequence: in which order they come, and which of them are looked at. Torch-free."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TypeVar

T = TypeVar("T")

_NUMBER = re.compile(r"(\d+)")


def natural(text: str) -> tuple[tuple[str | int, ...], str]:
    """Return what to sort texts by so that numbers in them count as numbers: `frame9` comes before `frame10`."""
    # What the expression finds stands at every second place, so that numbers are compared with numbers alone.
    pieces = _NUMBER.split(text)
    return tuple(int(piece) if place % 2 else piece for place, piece in enumerate(pieces)), text


def spread(frames: Sequence[T], at_most: int | None) -> tuple[T, ...]:
    """Return at most so many of the frames, evenly spaced from the first to the last one; None returns all.

    Of several, the first and the last are among them; one alone is the middle one.
    """
    n = len(frames)
    if at_most is None or n <= at_most:
        return tuple(frames)
    if at_most == 1:
        return (frames[n // 2],)
    gaps = at_most - 1
    return tuple(frames[(place * (n - 1) + gaps // 2) // gaps] for place in range(at_most))
