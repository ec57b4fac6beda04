"""Frames of drives: what belongs together, when it was seen, and what is nearly the same. Torch-free."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path

from graft.data.readers import as_text
from graft.data.samples import Sample

_LAST_NUMBER = re.compile(r"[_-]?[A-Za-z]*\d+\D*$")

NEAR = 2.0
"""Seconds between two frames of a drive within which they are taken as nearly the same: at 50 km/h a car is 28 m
further, and most of what stood before it still does."""


@dataclass(frozen=True, kw_only=True)
class Frame:
    """One annotated image of a drive.

    Args:
        image: The file.
        annotation: Its mask or its file of boxes.
        split: `train`, `val` or `test` where the data says it.
        drive: What it belongs to, where names or tables say it.
        second: When, in seconds of its drive.
    """

    image: Path
    annotation: Path
    split: str | None = None
    drive: str | None = None
    second: float | None = None

    def sample(self, root: Path, target: object, where: str = "") -> Sample:
        """Return it as a sample."""
        return Sample(
            id=as_text(self.image.relative_to(root).as_posix()),
            path=self.image,
            target=target,
            group=self.drive,
            split=self.split,
            where=where,
            time=None if self.second is None else f"{self.second:.3f}",
        )


def by_drive(frames: Sequence[Frame]) -> list[Frame]:
    """Return frames whose drives keep splits apart: of a single drive with times none, so that time can divide it."""
    single = len({frame.drive for frame in frames}) == 1 and all(frame.second is not None for frame in frames)
    return [replace(frame, drive=None) for frame in frames] if single else list(frames)


def drive_notes(frames: Sequence[Frame]) -> list[str]:
    """Return how many drives there are, and how many frames are nearly the same as the one before."""
    if all(frame.drive is None for frame in frames):
        return []
    drives: dict[str, list[float]] = defaultdict(list)
    for frame in frames:
        if frame.drive is not None:
            drives[frame.drive].append(-1.0 if frame.second is None else frame.second)
    notes = [f"{len(drives)} drives; a split that is drawn here divides none"]
    if by_drive(frames) != list(frames):
        notes = ["all images are of one drive: data.split=time tests on what comes last, and nothing else is fair"]
    if (count := sum(_near(seconds) for seconds in drives.values())) > 0:
        notes.append(f"{count} of {len(frames)} images are within {NEAR:g} s of the one before in their drive")
    return notes


def near_pairs(samples: Iterable[tuple[str, Sample]]) -> dict[str, list[tuple[str, Sample, str, Sample, float]]]:
    """Return, for each drive, neighbours in time that are in different splits and nearly the same.

    Args:
        samples: Each with its split; those without a time in seconds are passed over, and those without a drive, which
            are of a single one in their data, are of the one that their names begin with.
    """
    drives: dict[str, list[tuple[float, str, Sample]]] = defaultdict(list)
    for split, sample in samples:
        if (second := _seconds(sample.time)) is not None:
            drives[sample.group or _prefix(sample)].append((second, split, sample))
    found: dict[str, list[tuple[str, Sample, str, Sample, float]]] = {}
    for drive, frames in sorted(drives.items()):
        frames.sort(key=lambda frame: (frame[0], frame[2].id))
        pairs = [
            (split, sample, other, after, then - second)
            for (second, split, sample), (then, other, after) in pairwise(frames)
            if split != other and then - second <= NEAR
        ]
        if pairs:
            found[drive] = pairs
    return found


def _prefix(sample: Sample) -> str:
    """Return what stands in an image's name before its last number."""
    return _LAST_NUMBER.sub("", Path(sample.id).stem)


def _near(seconds: Iterable[float]) -> int:
    known = sorted(second for second in seconds if second >= 0)
    return sum(after - before <= NEAR for before, after in pairwise(known))


def _seconds(time: str | None) -> float | None:
    try:
        return None if time is None else float(time)
    except ValueError:
        return None
