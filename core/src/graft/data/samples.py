"""What a reader gives: samples with raw targets, and the classes they name. Torch-free."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

SPLITS = ("train", "val", "test")

LABELS = "labels"
"""The kind of target that is a tuple of class names."""


@dataclass(frozen=True, kw_only=True)
class Sample:
    """One labelled image, or one labelled sequence of images, not yet read.

    Args:
        id: Stable name of the sample in its data set: the path relative to the data's root, with `/`.
        path: The image file; of a sequence, its first frame.
        target: What the annotation says, as it stands there; for readers of `labels` a tuple of class names.
        group: Samples of one group (a patient, a scene, a video) never go to different splits.
        split: `train`, `val` or `test`, when the data itself says so.
        where: Where the annotation stands, as in `labels.csv line 17`; empty when the path itself says everything.
        frames: The image files of a sequence, in order; empty for one image.
        time: When it was taken, as the data writes it: a number, an ISO date, or a text that sorts by time.
    """

    id: str
    path: Path
    target: Any
    group: str | None = None
    split: str | None = None
    where: str = ""
    frames: tuple[Path, ...] = ()
    time: str | None = None

    @property
    def files(self) -> tuple[Path, ...]:
        """All its image files: the frames, or the one image."""
        return self.frames or (self.path,)

    @property
    def views(self) -> bool:
        """Whether its frames are one image, which is looked at several times."""
        return len(self.frames) > len(set(self.frames)) == 1


@dataclass(frozen=True, kw_only=True)
class Catalogue:
    """All samples of a data set, in a fixed order.

    Args:
        samples: Sorted by id.
        classes: Class names in their fixed order; a class's index is its number everywhere.
        reader: The reader that made it.
        root: The folder that ids are relative to.
        notes: What the user should know: files that were passed over and why, what was detected.
        max_frames: How many frames of a sequence are looked at, where that is limited.
        numbers: What classes are called in the data by a number, where it does that: predictions in the same format
            use the same ones.
    """

    samples: tuple[Sample, ...]
    classes: tuple[str, ...]
    reader: str
    root: Path
    notes: tuple[str, ...] = ()
    max_frames: int | None = None
    numbers: Mapping[str, int] = field(default_factory=dict)

    @property
    def sequences(self) -> bool:
        """Whether there are sequences among the samples."""
        return any(sample.frames for sample in self.samples)


def noun_of(samples: Sequence[Sample]) -> str:
    """Return what samples are called where people read of them: `images`, also if in several views, or `sequences`."""
    return "sequences" if any(sample.frames and not sample.views for sample in samples) else "images"


@dataclass(frozen=True, kw_only=True)
class BadFile:
    """An image that cannot be used, and why."""

    id: str
    path: Path
    code: str
    """`missing`, `unreadable`, `empty`, `format`, `corrupt`, `truncated` or `oversized`."""
    reason: str


@dataclass(frozen=True, kw_only=True)
class DuplicateSet:
    """Files with the same content, by sample id, and the splits they are in."""

    digest: str
    ids: tuple[str, ...]
    splits: tuple[str, ...]
    conflict: bool = False
    """Whether they are annotated differently."""

    @property
    def leaks(self) -> bool:
        """Whether they are in more than one split."""
        return len(set(self.splits)) > 1


@dataclass(frozen=True, kw_only=True)
class PreparedData:
    """A data set that has been read, checked and split: what training starts from and what the run records.

    Args:
        catalogue: The usable samples; bad files are no longer in it.
        split: Indices into `catalogue.samples` for each of `train`, `val`, `test`; `val` and `test` may be empty.
        split_by: How it was split, in one sentence.
        bad_files: What was skipped.
        duplicates: Exact duplicates, those across splits first.
        digests: SHA-256 of each sample, by its id: of its image file, or of its frames' digests.
        files: SHA-256 of every image file, by its path.
    """

    catalogue: Catalogue
    split: Mapping[str, Sequence[int]]
    split_by: str
    bad_files: tuple[BadFile, ...] = ()
    duplicates: tuple[DuplicateSet, ...] = ()
    digests: Mapping[str, str] = field(default_factory=dict)
    files: Mapping[Path, str] = field(default_factory=dict)
