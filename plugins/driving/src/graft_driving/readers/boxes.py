"""What readers of boxes in street scenes have in common: from rows to a catalogue. Torch-free."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from graft.data.samples import Catalogue
from graft.errors import DataError, Problem
from graft_detection.formats.geometry import Collector, Tally
from graft_detection.sizes import image_size
from graft_driving.frames import Frame, by_drive, drive_notes
from graft_driving.readers.scenes import chosen


@dataclass(frozen=True, kw_only=True)
class Box:
    """One annotated object.

    Args:
        where: Its line or its place in the annotation.
        label: Its class; None for a region in which no object of any class is annotated.
        corners: Left, top, right, bottom in pixels.
        crowd: Whether it is of many objects that were not told apart.
        difficult: Whether it is not to count in results.
    """

    where: str
    label: str | None
    corners: tuple[float, float, float, float]
    crowd: bool = False
    difficult: bool = False


def catalogue_of(
    root: Path,
    frames: Sequence[tuple[Frame, Sequence[Box]]],
    *,
    known: Sequence[str],
    wanted: Sequence[str] | None,
    reader: str,
    problems: Sequence[Problem],
    notes: Sequence[str] = (),
) -> Catalogue:
    """Return frames with their objects.

    A region without a class counts for none of them: it becomes a crowd of each.

    Args:
        root: Of the data.
        frames: Each with its boxes.
        known: The data set's classes, in order.
        wanted: Those that are learnt; None for all that are there.
        reader: Its name.
        problems: What is wrong so far.
        notes: What else is to be said.

    Raises:
        DataError: With everything that is wrong, or when there is no image.
    """
    learnt = chosen(wanted, known)
    there = {box.label for _, boxes in frames for box in boxes if not box.crowd}
    classes = tuple(name for name in learnt if name in there)
    tally, wrong = Tally(), list(problems)
    samples, regions = [], 0
    every = [frame for frame, _ in frames]
    for frame, (_, boxes) in zip(by_drive(every), frames, strict=True):
        collector = Collector(image_size(frame.image), tally, wrong)
        for box in boxes:
            if box.label is None:
                regions += 1
                for name in classes:
                    collector.add(box.where, name, box.corners, crowd=True)
            elif box.label in classes:
                collector.add(box.where, box.label, box.corners, crowd=box.crowd, difficult=box.difficult)
        where = frame.annotation.relative_to(root).as_posix() if frame.annotation.is_relative_to(root) else ""
        samples.append(frame.sample(root, collector.objects(), where))
    if wrong:
        raise DataError(f"{root} cannot be used", problems=wrong, fix="correct these places")
    if not classes:
        raise DataError(f"{root}: no image shows an object of {', '.join(learnt)}", fix="choose data.reader.classes")
    if regions:
        tally.counts.pop("crowd", None)
        notes = [*notes, f"{regions} regions are not annotated: what is found in them does not count"]
    return Catalogue(
        samples=tuple(sorted(samples, key=lambda sample: sample.id)),
        classes=classes,
        reader=reader,
        root=root,
        notes=(*notes, *tally.notes(), *drive_notes(every)),
    )
