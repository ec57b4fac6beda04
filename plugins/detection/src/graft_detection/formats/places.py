"""Where images are, for annotations that name files. Torch-free."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from pathlib import Path, PurePosixPath, PureWindowsPath

from graft.data.readers import exists, is_file

_LOOKED_AT = 20


def leads_out(name: str) -> bool:
    """Return whether a relative path leaves the folder that it is relative to, or is none."""
    parts = PurePosixPath(name.replace("\\", "/")).parts
    depth = 0
    for part in parts:
        depth += -1 if part == ".." else 1
        if depth < 0:
            return True
    return PurePosixPath(name).is_absolute() or PureWindowsPath(name).is_absolute()


def image_root(candidates: Iterable[Path], names: Sequence[str]) -> Path | None:
    """Return the first folder that has one of the first few files, or None."""
    some = names[:_LOOKED_AT]
    for folder in candidates:
        if any(is_file(folder / name) for name in some):
            return folder
    return None


def inside(root: Path, name: str) -> Path:
    """Return a file by its name in an annotation, also one written on Windows."""
    path = root / name
    if "\\" in name and not exists(path):
        other = root / name.replace("\\", "/")
        path = other if exists(other) else path
    return Path(os.path.normpath(path))
