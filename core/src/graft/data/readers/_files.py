"""What readers of files have in common: which files are images, the words for splits, and paths that cannot be read."""

from __future__ import annotations

import os
import re
import unicodedata
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path

from graft.data.samples import Sample
from graft.errors import DataError, Problem, did_you_mean

_SUFFIXES = ".jpg .jpeg .jpe .jfif .png .bmp .dib .gif .tif .tiff .webp .ppm .pgm .pbm .pnm"
IMAGE_SUFFIXES = frozenset(_SUFFIXES.split())

SPLIT_WORDS = {
    "train": "train",
    "training": "train",
    "val": "val",
    "valid": "val",
    "validation": "val",
    "dev": "val",
    "test": "test",
    "testing": "test",
}

# Left behind by operating systems, archives and notebooks.
_SYSTEM = frozenset({"thumbs.db", "desktop.ini", "__macosx", "icon\r"})

_ARCHIVES = {
    ".zip": "zipfile",
    ".tar": "tarfile",
    ".tgz": "tarfile",
    ".gz": "tarfile",
    ".bz2": "tarfile",
    ".xz": "tarfile",
}


def is_image(name: str) -> bool:
    """Return whether a file's name is that of an image."""
    return Path(name).suffix.lower() in IMAGE_SUFFIXES


def exists(path: Path) -> bool:
    """Return whether something has this name. Unlike a Path, it takes names that no file can have."""
    return os.path.exists(path)  # noqa: PTH110


def is_file(path: Path) -> bool:
    """Return whether a file has this name. Unlike a Path, it takes names that no file can have."""
    return os.path.isfile(path)  # noqa: PTH113


def is_hidden(name: str) -> bool:
    """Return whether a file or folder is nobody's data: its name begins with a dot, or is a system's own."""
    return name.startswith(".") or name.casefold() in _SYSTEM


def is_empty(folder: Path) -> bool:
    """Return whether there is nothing in a folder but what is hidden; of one that cannot be listed nobody knows."""
    try:
        return all(is_hidden(entry.name) for entry in os.scandir(folder))
    except OSError:
        return False


def folders_in(path: Path) -> list[Path]:
    """Return the folders in a folder, sorted by name, without hidden ones."""
    return sorted(
        (Path(entry) for entry in os.scandir(path) if not is_hidden(entry.name) and entry.is_dir()),
        key=lambda folder: folder.name,
    )


def walk(folder: Path) -> Iterator[tuple[Path, list[str]]]:
    """Yield each folder from `folder` down with the names of its files, sorted; links are followed, each folder once.

    Hidden folders are passed over, hidden files are not.

    Raises:
        OSError: When a folder cannot be listed: `os.walk` would pass over it without a word.
    """
    seen: set[tuple[int, int]] = set()
    for here, folders, files in os.walk(folder, followlinks=True, onerror=_raise):
        status = Path(here).stat()
        if (status.st_dev, status.st_ino) in seen:
            folders.clear()
            continue
        seen.add((status.st_dev, status.st_ino))
        folders[:] = sorted(name for name in folders if not is_hidden(name))
        yield Path(here), sorted(files)


def _raise(error: OSError) -> None:
    raise error


def split_folders(root: Path) -> list[Path]:
    """Return the folders for splits, or nothing when the folders in `root` are classes.

    A folder `train` among others is a class when it has images of its own: there are data sets of vehicles.
    """
    folders = folders_in(root)
    named = [folder for folder in folders if folder.name.casefold() in SPLIT_WORDS]
    trains = (folder for folder in named if SPLIT_WORDS[folder.name.casefold()] == "train")
    if len(named) < len(folders) and not any(folders_in(folder) for folder in trains):
        return []
    return named


def found_in(expression: str, name: str) -> str | None:
    """Return what a regular expression finds in a name: its first group, where it has one; None when it does not."""
    found = re.search(expression, name)
    if found is None:
        return None
    return found.group(1) if found.re.groups else found.group()


def as_text(name: str) -> str:
    """Return a file's name as text that can be written anywhere: bytes that are not UTF-8 are escaped."""
    return name.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")


def require_path(path: Path, field: str) -> None:
    """Raise when no reader can do anything with `path`.

    Args:
        path: What the recipe names.
        field: Where it names it, as in `data.train`.

    Raises:
        DataError: When it does not exist, may not be read, or is an archive or a single image.
    """
    try:
        exists = path.exists()
    except (OSError, ValueError) as error:
        raise DataError(f"{field}: {str(path)!r} is no usable path: {error}", fix="correct the path") from error
    if not exists:
        hint = None
        if path.parent.is_dir():
            hint = did_you_mean(path.name, (entry.name for entry in path.parent.iterdir()))
        raise DataError(
            f"{field}: {path} does not exist" + (f" ({hint})" if hint else ""),
            fix=f"name a folder of images or a table; relative paths start at {Path.cwd()}",
        )
    module = _ARCHIVES.get(path.suffix.lower())
    if path.is_file() and module:
        raise DataError(
            f"{field}: {path} is an archive",
            fix=f"unpack it first: python -m {module} -e {path} {path.with_suffix('')}, and name the folder",
        )
    if path.is_file() and is_image(path.name):
        raise DataError(
            f"{field}: {path} is one image, and training needs many with labels",
            fix="name a folder with one folder of images per class, or a table with the columns path and label",
        )


def class_problems(samples: Sequence[Sample], where: str) -> list[Problem]:
    """Return what is wrong with the classes of samples whose targets are class names.

    Args:
        samples: Of the whole data set.
        where: The data set, for the text.
    """
    problems = [
        Problem(where, f"the classes {a!r} and {b!r} are the same text in two Unicode forms", "rename one of them")
        for a, b in twins(classes_of(samples), lambda name: unicodedata.normalize("NFC", name))
    ]
    if not any(sample.split for sample in samples):
        return problems
    trained = set(classes_of(sample for sample in samples if sample.split in (None, "train")))
    for split in ("val", "test"):
        only = set(classes_of(sample for sample in samples if sample.split == split)) - trained
        for name in sorted(only):
            first = next(sample for sample in samples if sample.split == split and name in sample.target)
            hint = did_you_mean(name, sorted(trained))
            problems.append(
                Problem(first.where or first.id, f"the class {name!r} is in {split}, but not in train", hint)
            )
    return problems


def classes_of(samples: Iterable[Sample]) -> list[str]:
    """Return the class names in the targets, sorted by code point: the same order on every machine."""
    return sorted({name for sample in samples for name in sample.target})


def twins(names: Iterable[str], form: Callable[[str], str]) -> list[tuple[str, str]]:
    """Return the pairs of names that are different, and the same in a certain form."""
    seen: dict[str, str] = {}
    pairs = []
    for name in names:
        first = seen.setdefault(form(name), name)
        if first != name:
            pairs.append((first, name))
    return pairs


def twin_notes(names: Iterable[str]) -> tuple[str, ...]:
    """Return a note for each pair of class names that differ in case alone."""
    return tuple(f"the classes {a!r} and {b!r} differ in case alone" for a, b in twins(names, str.casefold))
