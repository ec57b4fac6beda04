"""How much memory this process may still take."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path


def free_memory(root: Path = Path("/")) -> int | None:
    """Return the bytes of main memory that are free for this process, or None when the system does not say.

    On Linux, what the machine has available or what is left of a limit on the process's control groups (a container's,
    a batch system's), whichever is less; elsewhere half of the machine's memory, as others use it too.

    Args:
        root: Where the system's files are.
    """
    found = [*_available(root), *_left_of_limits(root)]
    if found:
        return max(0, min(found))
    try:
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") // 2
    except (AttributeError, ValueError, OSError):
        return None


def _available(root: Path) -> Iterator[int]:
    for line in _read(root / "proc/meminfo").splitlines():
        if line.startswith("MemAvailable:"):
            yield int(line.split()[1]) * 1024


def _left_of_limits(root: Path) -> Iterator[int]:
    for line in _read(root / "proc/self/cgroup").splitlines():
        _, controllers, path = line.split(":", 2)
        if controllers == "":
            base, names = root / "sys/fs/cgroup", ("memory.max", "memory.current", "inactive_file")
        elif "memory" in controllers.split(","):
            base = root / "sys/fs/cgroup/memory"
            names = ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file")
        else:
            continue
        # A limit holds for all groups below it. In a container the path may be the host's: only the top is there then.
        group = Path(path.lstrip("/"))
        for folder in (group, *group.parents):
            yield from _left(base / folder, *names)


def _left(group: Path, limit: str, used: str, cache: str) -> Iterator[int]:
    most, now = _read(group / limit).strip(), _read(group / used).strip()
    if not (most.isdecimal() and now.isdecimal()):
        return
    # Files that were read and may be forgotten count as used.
    stat = dict(line.split() for line in _read(group / "memory.stat").splitlines())
    yield int(most) - int(now) + int(stat.get(cache, 0))


def _read(path: Path) -> str:
    try:
        return path.read_text()
    except OSError:
        return ""
