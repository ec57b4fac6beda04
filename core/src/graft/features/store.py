"""Rows of tensors by key, in shards on disk that are mapped into memory: read again in the next run, and never twice.

A shard is a safetensors file with the keys and one tensor per part of a row. Its name is the SHA-256 of its content,
which is compared when it is opened; one that differs is deleted, and its rows are calculated again. No pickle.
"""

from __future__ import annotations

import contextlib
import hashlib
import threading
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from graft import atomic
from graft.errors import TrainingError
from graft.features import cache

KEY_BYTES = 16
_KEYS = "keys"
_SHARD_BYTES = 64 * 2**20
_WRITING = threading.Lock()
"""One thread writes at a time: preparing a space removes what killed processes left, which bear no thread's name."""

Row = tuple[Tensor, ...]
"""What belongs to one key: a tensor per part, on the CPU."""


class RowStore:
    """The rows of one space of the cache.

    What is put is kept in memory until there is enough for a shard, or `flush`. When the limit is reached or the disk
    refuses, nothing more is kept; that is said once, and whoever asks calculates.

    Args:
        space: The calculation's fingerprint, the name of its folder.
        about: What the calculation is, in plain values, for those who look into the cache.
        limit: Largest size of the whole cache in bytes; 0 keeps nothing and touches no disk.
        warn: Is told what went wrong.
    """

    def __init__(self, space: str, *, about: Mapping[str, Any], limit: int, warn: Callable[[str], None]) -> None:
        self.folder = cache.root() / space
        self.about = about
        self.limit = limit
        self.warn = warn
        self.full = limit <= 0
        self._parts: list[list[Tensor]] = []
        self._places: dict[bytes, tuple[int, int]] = {}
        self._pending: dict[bytes, Row] = {}
        self._pending_bytes = 0
        if self.full:
            return
        try:
            with _WRITING:
                cache.prepare(self.folder, about)
            others = cache.foreign_writers()
        except (OSError, TrainingError) as error:
            self._give_up(str(error))
            return
        if others:
            warn(others)
        for path in cache.shards(self.folder):
            self._open(path)

    def __contains__(self, key: bytes) -> bool:
        return key in self._places or key in self._pending

    def __len__(self) -> int:
        return len(self._places) + len(self._pending)

    def __getitem__(self, key: bytes) -> Row:
        """Return the row of a key; it may lie in mapped memory and must not be changed.

        Raises:
            KeyError: When there is none.
        """
        if key in self._pending:
            return self._pending[key]
        shard, index = self._places[key]
        return tuple(part[index] for part in self._parts[shard])

    def put(self, key: bytes, row: Sequence[Tensor]) -> None:
        """Keep a row, which is copied, if there is room."""
        if self.full or key in self:
            return
        self._pending[key] = tuple(part.detach().cpu().clone() for part in row)
        self._pending_bytes += sum(part.nbytes for part in row)
        if self._pending_bytes >= _SHARD_BYTES:
            self.flush()

    def flush(self) -> None:
        """Write what is kept in memory alone, so that other processes and later runs find it.

        What cannot be written stays in memory, at most one shard: a key that was there once is there to the end.
        """
        pending = self._pending
        if not pending or self.full:
            return
        tensors = {str(number): torch.stack(parts) for number, parts in enumerate(zip(*pending.values(), strict=True))}
        keys = torch.from_numpy(np.frombuffer(b"".join(pending), np.uint8).reshape(-1, KEY_BYTES).copy())
        content = save({_KEYS: keys, **tensors}, metadata={"format": "pt"})
        del tensors
        if not cache.make_room(len(content), limit=self.limit, keep=self.folder):
            self._give_up(f"its limit of {self.limit / 1e9:.3g} GB is reached (cache.limit)")
            return
        path = self.folder / f"{hashlib.sha256(content).hexdigest()}{cache.SHARD}"
        try:
            with _WRITING:
                # Again: the cache may have been cleared.
                cache.prepare(self.folder, self.about)
                atomic.write_bytes(path, content)
        except (OSError, TrainingError) as error:
            self._give_up(str(error))
            return
        if self._open(path, verify=False):
            self._pending, self._pending_bytes = {}, 0

    def _open(self, path: Path, *, verify: bool = True) -> bool:
        """Map a shard, and return whether its rows can be used; a damaged one is deleted."""
        try:
            if verify and not _is_whole(path):
                raise SafetensorError("it has changed since it was written")
            with safe_open(path, "pt") as file:
                names = sorted((name for name in file.keys() if name != _KEYS), key=int)  # noqa: SIM118 - no mapping
                keys = file.get_tensor(_KEYS).numpy()
                parts = [file.get_tensor(name) for name in names]
            if keys.ndim != 2 or keys.shape[1] != KEY_BYTES or any(len(part) != len(keys) for part in parts):
                raise SafetensorError("its tensors do not belong together")
        except FileNotFoundError:
            return False  # another process has cleared the cache
        except (OSError, SafetensorError, ValueError, TypeError) as error:
            self.warn(f"{path} is damaged ({error}); it is deleted, and its features are calculated again")
            with contextlib.suppress(OSError):
                path.unlink()
            return False
        self._parts.append(parts)
        number = len(self._parts) - 1
        for index, key in enumerate(keys):
            self._places.setdefault(key.tobytes(), (number, index))
        return True

    def _give_up(self, why: str) -> None:
        self.full = True
        self.warn(f"the feature cache takes no more, and what is missing is calculated each time: {why}")


def _is_whole(path: Path) -> bool:
    """Return whether a shard's content is what its name says."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest() == path.stem
