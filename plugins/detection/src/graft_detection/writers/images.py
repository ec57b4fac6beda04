"""Images of a data set, copied or linked under names of their own. Torch-free."""

from __future__ import annotations

import shutil
import unicodedata
from collections import Counter
from collections.abc import Sequence
from pathlib import Path, PurePosixPath

from graft.data.samples import Catalogue, Sample
from graft.errors import DataError, Problem

_BREAKS = frozenset({"Cc", "Cs", "Zl", "Zp"})
"""Unicode categories that break a line or a file: controls, halves of surrogate pairs, separators."""


def flat_names(samples: Sequence[Sample]) -> list[str]:
    """Return a file name for each sample: its own, or, where two would differ in suffix or case alone, its whole id.

    What lists of names and tables cannot hold is taken out of them: line breaks, backslashes, blanks around, and dots
    in front, which hide a file.
    """
    own = [_plain(PurePosixPath(sample.id).name) for sample in samples]
    stems = [PurePosixPath(name).stem.casefold() for name in own]
    often = {stem for stem, count in Counter(stems).items() if count > 1}
    names = [
        _plain(sample.id.lstrip("/").replace("/", "__")) if stem in often else name
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


def _plain(name: str) -> str:
    kept = "".join("_" if letter == "\\" or unicodedata.category(letter) in _BREAKS else letter for letter in name)
    stem, dot, end = kept.strip().rpartition(".")
    if not dot:
        return end
    stem = stem.strip()
    return f"{'_' if not stem or stem.startswith('.') else ''}{stem}.{end}"


def renamed(samples: Sequence[Sample], names: Sequence[str]) -> list[str]:
    """Return a note when images lose the names that they have."""
    others = [
        f"{sample.id} is {name}"
        for sample, name in zip(samples, names, strict=True)
        if PurePosixPath(sample.id).name != name
    ]
    return lost(len(others), f"images get another name ({others[0]})") if others else []


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


def check_names(catalogue: Catalogue, what: str) -> None:
    """Raise when a format, named by `what`, cannot hold the name of a class.

    Raises:
        DataError: With each class whose name has control characters, or space around it.
    """
    problems = [
        Problem(f"class {name!r}", "a control character in its name, or space around it")
        for name in catalogue.classes
        if name != name.strip() or any(ord(letter) < 32 or ord(letter) in (0xFFFE, 0xFFFF) for letter in name)
    ]
    if problems:
        raise DataError(f"{what} cannot hold these names", problems=problems, fix="rename the classes")
