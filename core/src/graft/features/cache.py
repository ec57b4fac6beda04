"""The cache of features, `$GRAFT_HOME/features`: what is in it, how large it may grow, and what goes first. Torch-free.

Every *space* is a folder for one calculation (`fingerprint`), with `about.json`, which says what it is, and shards:
files that are named by the SHA-256 of their content, written whole or not at all, and never changed. So any number of
processes may read, write and clear the cache at once; a shard that is deleted while it is mapped stays readable.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import stat
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from graft import atomic
from graft.home import home

ABOUT = "about.json"
SHARD = ".safetensors"
_PRIVATE = 0o700
_OTHERS_WRITE = stat.S_IWGRP | stat.S_IWOTH


def root() -> Path:
    """Return the cache's folder, which may not exist yet."""
    return home() / "features"


@dataclass(frozen=True, kw_only=True)
class Space:
    """The shards of one calculation.

    Args:
        path: Its folder.
        about: What the calculation is, in plain values; empty when that cannot be read.
        bytes: Size of its shards.
        shards: Number of its shards.
        used: When it was last used, in seconds since the epoch.
    """

    path: Path
    about: Mapping[str, Any]
    bytes: int
    shards: int
    used: float


def spaces() -> list[Space]:
    """Return what is in the cache, the least recently used first."""
    folders = [entry for entry in _entries(root()) if entry.is_dir()]
    return sorted((_space(folder) for folder in folders), key=lambda space: space.used)


def clear(matches: Callable[[Space], bool] = lambda _: True) -> int:
    """Delete the spaces that match, by default all, and return how many bytes that freed.

    A process that works with one of them goes on: it keeps what it has opened.
    """
    freed = 0
    for space in spaces():
        if matches(space):
            shutil.rmtree(space.path, ignore_errors=True)
            freed += space.bytes - _space(space.path).bytes
    return freed


def prepare(folder: Path, about: Mapping[str, Any]) -> None:
    """Make a space's folder, for this user alone, and mark it as used now.

    Raises:
        OSError: When it cannot be made.
        TrainingError: When it cannot be written.
    """
    root().mkdir(parents=True, exist_ok=True, mode=_PRIVATE)
    folder.mkdir(exist_ok=True, mode=_PRIVATE)
    atomic.sweep(folder)
    if not (folder / ABOUT).is_file():
        atomic.write_text(folder / ABOUT, json.dumps(about, indent=1))
    touch(folder)


def foreign_writers() -> str | None:
    """Return what is wrong with the cache's folder, and what to type, when others than its user may write there."""
    top = root()
    if os.name == "nt" or not top.stat().st_mode & _OTHERS_WRITE:
        return None
    return f"{top}: other users may write there, and what is cached is trusted; chmod 700 {top}"


def touch(folder: Path) -> None:
    """Mark a space as used now."""
    with contextlib.suppress(OSError):
        os.utime(folder / ABOUT)


def make_room(needed: int, *, limit: int, keep: Path) -> bool:
    """Delete other spaces, the least recently used first, until `needed` more bytes fit; return whether they do.

    Nothing is deleted when that would not suffice.

    Args:
        needed: Bytes that are to be written.
        limit: Largest size of the whole cache, in bytes.
        keep: The space that they are for: what is in use is not exchanged for more of the same.
    """
    known = spaces()
    excess = sum(space.bytes for space in known) + needed - limit
    others = [space for space in known if space.path != keep]
    if excess > sum(space.bytes for space in others):
        return False
    for space in others:
        if excess <= 0:
            break
        shutil.rmtree(space.path, ignore_errors=True)
        excess -= space.bytes
    return True


def shards(folder: Path) -> list[Path]:
    """Return the shards of a space, sorted by name."""
    return sorted(entry for entry in _entries(folder) if entry.suffix == SHARD and not entry.name.startswith("."))


def _entries(folder: Path) -> Iterator[Path]:
    """Yield what is in a folder; nothing where there is none, or it is another user's."""
    with contextlib.suppress(OSError):
        yield from folder.iterdir()


def _space(folder: Path) -> Space:
    sizes = []
    for shard in shards(folder):
        with contextlib.suppress(OSError):  # another process may have cleared it
            sizes.append(shard.stat().st_size)
    about, used = None, 0.0
    with contextlib.suppress(OSError, ValueError):
        used = folder.stat().st_mtime
        used = (folder / ABOUT).stat().st_mtime
        about = json.loads((folder / ABOUT).read_text("utf-8"))
    about = about if isinstance(about, dict) else {}
    return Space(path=folder, about=about, bytes=sum(sizes), shards=len(sizes), used=used)
