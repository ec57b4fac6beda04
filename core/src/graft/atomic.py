"""Writing files so that whoever reads them finds the old content or the new, and never half of it.

The new content goes to a temporary file in the *target's* folder (another one may lie on another file system, where a
rename is a copy), is forced to disk, and takes the target's name in one step; then the folder is forced to disk too.
A process that is killed leaves at most a `.tmp-<pid>-…` entry, which `sweep` removes.
"""

from __future__ import annotations

import contextlib
import errno
import os
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from graft.errors import TrainingError

_TEMPORARY = re.compile(r"\.tmp-(\d{1,9})-")


def write_bytes(path: Path, data: bytes) -> None:
    """Make `data` the content of `path`; its folder must exist.

    Raises:
        TrainingError: When it cannot be written (full disk, no permission); the old content is then intact.
    """
    with writing(path, needs=len(data)) as file:
        file.write(data)


def write_text(path: Path, text: str) -> None:
    """Make `text` the content of `path`, in UTF-8; its folder must exist.

    Raises:
        TrainingError: When it cannot be written (full disk, no permission); the old content is then intact.
    """
    # surrogateescape: a file name that is no UTF-8 is written as the bytes that it is.
    write_bytes(path, text.encode("utf-8", "surrogateescape"))


@contextmanager
def writing(path: Path, *, needs: int | None = None) -> Iterator[BinaryIO]:
    """Open a file that becomes `path` when the block ends well, and disappears when it does not.

    Args:
        path: Its folder must exist.
        needs: Bytes that will be written, where that is known: for the message about a full disk.

    Raises:
        TrainingError: When it cannot be written (full disk, no permission); the old content is then intact.
    """
    temporary = temporary_beside(path)
    with _explained(path, needs):
        try:
            with temporary.open("wb") as file:
                yield file
                file.flush()
                os.fsync(file.fileno())
            temporary.replace(path)
            _sync_folder(path.parent)
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise


@contextmanager
def writing_folder(final: Path, *, needs: int | None = None) -> Iterator[Path]:
    """Make a folder that becomes `final` when the block ends well, and disappears when it does not.

    Args:
        final: Its parent must exist.
        needs: Bytes that will be written, where that is known: for the message about a full disk.

    Raises:
        TrainingError: When it cannot be written; an old `final` is then intact.
    """
    temporary = temporary_beside(final)
    with _explained(final, needs):
        temporary.mkdir()
        try:
            yield temporary
            replace_folder(temporary, final)
        except BaseException:
            shutil.rmtree(temporary, ignore_errors=True)
            raise


def temporary_beside(final: Path) -> Path:
    """Return the path at which this process prepares what is to become `final`; nothing is created."""
    return final.with_name(f".tmp-{os.getpid()}-{final.name}")


def replace_folder(temporary: Path, final: Path) -> None:
    """Give the finished folder `temporary`, which lies beside `final`, its name; an old `final` is removed.

    The single step is a rename where there is no old folder; an old one is moved aside first.

    Raises:
        TrainingError: When the disk refuses; `final` is then as it was, or missing if the process was killed midway.
    """
    with _explained(final):
        for file in temporary.rglob("*"):
            if file.is_file():
                _sync_file(file)
            else:
                _sync_folder(file)
        _sync_folder(temporary)
        old = temporary_beside(final.with_name(f"old-{final.name}"))
        if final.exists():
            final.replace(old)
        temporary.replace(final)
        _sync_folder(final.parent)
        shutil.rmtree(old, ignore_errors=True)


def sweep(folder: Path) -> None:
    """Remove what killed processes left in `folder`: `.tmp-<pid>-…` entries whose process is dead, or is this one.

    Call it before this process writes there: in a container, where pids start again at 1, the killed one's pid is ours.
    """
    for entry in folder.glob(".tmp-*"):
        match = _TEMPORARY.match(entry.name)
        if match is None or (int(match[1]) != os.getpid() and alive(int(match[1]))):
            continue
        if entry.is_dir():
            shutil.rmtree(entry, ignore_errors=True)
        else:
            with contextlib.suppress(OSError):
                entry.unlink()


def alive(pid: int) -> bool:
    """Return whether a process of this machine has the number `pid`; on Windows, where asking kills, always True."""
    if os.name == "nt":
        return True
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


@contextmanager
def _explained(path: Path, needs: int | None = None) -> Iterator[None]:
    """Turn an `OSError` into what a person can act on, with the room that was needed and the room that there is."""
    try:
        yield
    except OSError as error:
        message = f"{path}: cannot be written ({error.strerror or error})"
        fix = "make the folder writable, or choose another one with --out"
        if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
            message += _room(path.parent, needs)
            fix = "free some space; what was there before is intact"
        raise TrainingError(message, fix=fix) from error


def _room(folder: Path, needs: int | None) -> str:
    needed = "" if needs is None else f"; it takes {needs:,} bytes"
    with contextlib.suppress(OSError):
        return f"{needed}; {shutil.disk_usage(folder).free:,} bytes are free there"
    return needed


def _sync_file(path: Path) -> None:
    with path.open("rb") as file:
        os.fsync(file.fileno())


def _sync_folder(path: Path) -> None:
    if os.name == "nt":
        return  # Windows has no handle on a folder
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
