"""Images of a data set, copied or linked under names of their own. Torch-free."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path, PurePosixPath

from graft.data.samples import Sample
from graft.errors import DataError, Problem


def flat_names(samples: Sequence[Sample]) -> list[str]:
    """Return a file name for each sample: its own, or, where two would differ in suffix or case alone, its whole id."""
    own = [PurePosixPath(sample.id).name for sample in samples]
    stems = [PurePosixPath(name).stem.casefold() for name in own]
    often = {stem for stem in stems if stems.count(stem) > 1} if len(set(stems)) < len(stems) else set()
    names = [
        sample.id.lstrip("/").replace("/", "__") if stem in often else name
        for sample, name, stem in zip(samples, own, stems, strict=True)
    ]
    taken: set[str] = set()
    for index, name in enumerate(names):
        path, number = PurePosixPath(name), 1
        while PurePosixPath(names[index]).stem.casefold() in taken:
            number += 1
            names[index] = f"{path.stem}-{number}{path.suffix}"
        taken.add(PurePosixPath(names[index]).stem.casefold())
    return names


def sizes(samples: Sequence[Sample]) -> list[tuple[int, int]]:
    """Return the (H, W) of each image.

    Raises:
        DataError: With every image whose size is not known, because it is missing or damaged.
    """
    problems = [
        Problem(sample.where or sample.id, f"{sample.path} cannot be read, and its size is not known")
        for sample in samples
        if sample.target.size is None
    ]
    if problems:
        raise DataError("The data cannot be converted", problems=problems, fix="repair these files, or take them out")
    return [sample.target.size for sample in samples]


def place(sample: Sample, target: Path, *, link: bool) -> None:
    """Copy a sample's image to `target`, or link to it.

    Raises:
        DataError: When there is none.
    """
    if not sample.path.is_file():
        raise DataError(f"{sample.where or sample.id}: no file {sample.path}", fix="bring it, or take the image out")
    target.parent.mkdir(parents=True, exist_ok=True)
    if link:
        target.symlink_to(sample.path.absolute())
    else:
        shutil.copyfile(sample.path, target)


def lost(count: int, what: str) -> list[str]:
    """Return a note where something is lost."""
    return [f"{count} {what}"] if count else []
