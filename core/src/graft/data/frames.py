"""The frames of a sequence: in which order they come, which are looked at, and what they are called. Torch-free."""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TypeVar

from graft.data.samples import Sample

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


def file_name(sample: Sample, file: Path) -> str:
    """Return what one of a sample's files is called: as the sample, or for a frame, that and where the frame lies."""
    if not sample.frames or sample.views:
        return sample.id
    return f"{sample.id}/{Path(os.path.relpath(file, sample.path.parent)).as_posix()}"


def without_files(sample: Sample, gone: Collection[str]) -> Sample | None:
    """Return a sample without the files whose names are among `gone`; None when nothing is left of it."""
    left = tuple(file for file in sample.files if file_name(sample, file) not in gone)
    if not left:
        return None
    return replace(sample, frames=left, path=left[0]) if sample.frames else sample


def digest_of(sample: Sample, files: Mapping[Path, str]) -> str:
    """Return the digest of a sample: its file's, or of a sequence, one over its frames' in their order.

    Args:
        sample: The sample.
        files: SHA-256 of each of its files, by path.
    """
    if not sample.frames:
        return files[sample.path]
    return hashlib.sha256("".join(files[frame] for frame in sample.frames).encode()).hexdigest()
