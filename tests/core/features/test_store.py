"""Rows that were once put come back as they were, or are missing: whatever happens to the files and the processes."""

from __future__ import annotations

import errno
import hashlib
import os
import pickle
import random
import stat
import subprocess
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np
import pytest
import torch

from forks import fork
from graft.features import cache, store
from graft.features.store import KEY_BYTES, RowStore

GB = 10**9
SPACE = "a" * 32


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("GRAFT_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


def key(number: int) -> bytes:
    return number.to_bytes(KEY_BYTES, "big")


def row(number: int) -> tuple[torch.Tensor, ...]:
    """A row of two parts, of a map and a vector, in two types."""
    rng = torch.Generator().manual_seed(number)
    return torch.randn(3, 2, 2, generator=rng), torch.randn(5, generator=rng).to(torch.float16)


def opened(warn: Callable[[str], None] = pytest.fail, *, limit: int = GB, space: str = SPACE) -> RowStore:
    return RowStore(space, about={"gives": "rows"}, limit=limit, warn=warn)


def filled(numbers: Sequence[int], **options: object) -> RowStore:
    rows = opened(**options)  # type: ignore[arg-type]
    for number in numbers:
        rows.put(key(number), row(number))
    rows.flush()
    return rows


def is_right(rows: RowStore, number: int) -> bool:
    return all(torch.equal(one, two) for one, two in zip(rows[key(number)], row(number), strict=True))


def shards() -> list[Path]:
    return cache.shards(cache.root() / SPACE)


def temporary_files() -> list[Path]:
    return list(cache.root().rglob(".tmp-*"))


def test_rows_come_back_now_and_later() -> None:
    first = opened()
    first.put(key(1), row(1))
    assert is_right(first, 1), "before it is written"
    assert shards() == []
    first.flush()
    first.put(key(2), row(2))
    first.put(key(1), row(9))
    assert is_right(first, 1), "the first one put stays"
    first.flush()
    for rows in (first, opened()):
        assert len(rows) == 2
        assert is_right(rows, 1)
        assert is_right(rows, 2)
        assert key(3) not in rows
        with pytest.raises(KeyError):
            rows[key(3)]
    assert [hashlib.sha256(path.read_bytes()).hexdigest() for path in shards()] == [path.stem for path in shards()]


def test_a_row_is_copied_when_it_is_put() -> None:
    rows = opened()
    tensor = torch.ones(2)
    rows.put(key(1), [tensor])
    tensor.zero_()
    assert rows[key(1)][0].tolist() == [1, 1]


def test_a_shard_is_written_when_there_is_enough_for_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store, "_SHARD_BYTES", 3 * sum(part.nbytes for part in row(0)))
    rows = opened()
    for number in range(7):
        rows.put(key(number), row(number))
    assert len(shards()) == 2
    assert all(is_right(rows, number) for number in range(7))


@pytest.mark.parametrize("damage", ["truncated", "empty", "first", "keys", "middle", "last", "longer"])
def test_a_damaged_shard_is_deleted_and_its_rows_are_missing(damage: str) -> None:
    filled([1, 2])
    filled([3])
    victim = next(path for path in shards() if key(1) in path.read_bytes())
    content = bytearray(victim.read_bytes())
    if damage == "truncated":
        content = content[:-1]
    elif damage == "empty":
        content = bytearray()
    elif damage == "longer":
        content += b"\0"
    else:
        place = {"first": 0, "keys": content.index(key(1)) + KEY_BYTES - 1, "middle": len(content) // 2, "last": -1}
        content[place[damage]] ^= 1
    victim.write_bytes(content)

    warnings: list[str] = []
    rows = opened(warnings.append)
    assert len(warnings) == 1
    assert str(victim) in warnings[0]
    assert not victim.exists()
    assert len(rows) == 1
    assert is_right(rows, 3)
    for number in (1, 2):
        rows.put(key(number), row(number))
    rows.flush()
    assert all(is_right(opened(), number) for number in (1, 2, 3))


def test_other_files_in_the_cache_are_never_loaded(tmp_path: Path) -> None:
    filled([1])
    folder = cache.root() / SPACE

    class Hostile:
        def __reduce__(self) -> tuple[object, ...]:
            return os.mkdir, (str(tmp_path / "pwned"),)

    evil = pickle.dumps(Hostile())
    np.save(folder / "rows.npy", np.array([Hostile()], dtype=object), allow_pickle=True)
    (folder / "rows.pkl").write_bytes(evil)
    (folder / "rows.pt").write_bytes(evil)
    (folder / ".hidden.safetensors").write_bytes(evil)
    assert opened().__len__() == 1
    named = folder / f"{hashlib.sha256(evil).hexdigest()}.safetensors"
    named.write_bytes(evil)
    warnings: list[str] = []
    assert is_right(opened(warnings.append), 1)
    assert len(warnings) == 1
    assert "damaged" in warnings[0]
    assert not named.exists()
    assert not (tmp_path / "pwned").exists()
    assert (folder / "rows.pkl").exists(), "not ours to delete"


def test_a_shard_of_something_else_is_no_shard() -> None:
    from safetensors.torch import save

    filled([1])
    for tensors in (
        {"0": torch.zeros(2)},
        {"keys": torch.zeros(2, 3, dtype=torch.uint8), "0": torch.zeros(2)},
        {"keys": torch.zeros(2, KEY_BYTES, dtype=torch.uint8), "0": torch.zeros(3)},
        {"keys": torch.zeros(2, KEY_BYTES, dtype=torch.uint8), "0": torch.zeros(())},
        {"keys": torch.zeros(2, KEY_BYTES, dtype=torch.uint8), "weight": torch.zeros(2)},
    ):
        content = save(tensors)
        path = cache.root() / SPACE / f"{hashlib.sha256(content).hexdigest()}.safetensors"
        path.write_bytes(content)
        warnings: list[str] = []
        assert len(opened(warnings.append)) == 1
        assert len(warnings) == 1


def test_killed_ten_times_while_filling(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store, "_SHARD_BYTES", 20 * sum(part.nbytes for part in row(0)))
    draw = random.Random(0)

    def fill() -> None:
        rows = opened()
        for number in range(100_000):
            rows.put(key(number), row(number))

    reached = 0
    for _ in range(10):
        child = fork(fill)
        time.sleep(draw.uniform(0.02, 0.25))
        child.kill()
        assert child.wait() == -9
        rows = opened()
        assert temporary_files() == []
        assert len(rows) >= reached
        reached = len(rows)
        assert all(is_right(rows, number) for number in range(reached)), "whole shards, in order"
    assert reached > 100


def test_two_processes_fill_the_same_space_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store, "_SHARD_BYTES", 7 * sum(part.nbytes for part in row(0)))

    def fill(order: Sequence[int]) -> Callable[[], int]:
        def work() -> int:
            rows = filled(order)
            return 0 if all(is_right(rows, number) for number in order) else 1

        return work

    children = [fork(fill(order)) for order in (range(200), range(200), range(199, -1, -1))]
    assert [child.wait() for child in children] == [0, 0, 0]
    rows = opened()
    assert len(rows) == 200
    assert all(is_right(rows, number) for number in range(200))
    assert temporary_files() == []


def test_threads_fill_the_same_space_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store, "_SHARD_BYTES", 1)
    warnings: list[str] = []
    orders = [range(30), range(30), range(30, 60)]
    threads = [threading.Thread(target=filled, args=(o,), kwargs={"warn": warnings.append}) for o in orders]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert warnings == []
    assert all(is_right(opened(), number) for number in range(60))


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EDQUOT])
def test_a_full_disk_is_said_once(monkeypatch: pytest.MonkeyPatch, code: int) -> None:
    monkeypatch.setattr(store, "_SHARD_BYTES", 2 * sum(part.nbytes for part in row(0)))
    warnings: list[str] = []
    rows = opened(warnings.append)

    def full(_: int) -> None:
        raise OSError(code, os.strerror(code))

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full)
        for number in range(9):
            rows.put(key(number), row(number))
            assert number > 1 or is_right(rows, number)
        rows.flush()
    assert len(warnings) == 1
    assert "takes no more" in warnings[0]
    assert os.strerror(code) in warnings[0]
    assert [is_right(rows, number) for number in range(2)] == [True, True], "nothing is forgotten that was there"
    assert key(5) not in rows
    assert shards() == []
    assert temporary_files() == []
    assert len(opened()) == 0


def test_a_disk_that_is_really_full(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(disk)], capture_output=True, text=True, check=False
    )
    if mounted.returncode:
        pytest.skip(f"no tmpfs can be mounted here: {mounted.stderr.strip()}")
    try:
        monkeypatch.setenv("GRAFT_HOME", str(disk))
        filled([1])
        warnings: list[str] = []
        rows = opened(warnings.append)
        rows.put(key(2), [torch.zeros(100_000), torch.zeros(5)])
        rows.flush()
        rows.put(key(3), row(3))
        rows.flush()
        assert len(warnings) == 1
        assert "No space left" in warnings[0]
        assert is_right(rows, 1)
        assert temporary_files() == []
        (disk / "rest").write_bytes(b"\0" * 4096)
        del rows
    finally:
        subprocess.run(["umount", str(disk)], check=True)


def test_a_folder_that_cannot_be_made_is_said_once(home: Path) -> None:
    home.write_text("a file where the folder should be")
    warnings: list[str] = []
    rows = filled([1, 2], warn=warnings.append)
    assert len(warnings) == 1
    assert len(rows) == 0


def test_no_limit_no_disk(home: Path) -> None:
    rows = filled([1], limit=0)
    assert key(1) not in rows
    assert not home.exists()


def test_a_limit_that_is_reached_is_said_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store, "_SHARD_BYTES", 2 * sum(part.nbytes for part in row(0)))
    warnings: list[str] = []
    rows = filled(range(40), warn=warnings.append, limit=2000)
    assert len(warnings) == 1
    assert "limit" in warnings[0]
    assert 0 < sum(path.stat().st_size for path in shards()) <= 2000
    kept = [number for number in range(40) if key(number) in rows]
    assert 0 < len(kept) < 40
    assert all(is_right(rows, number) for number in kept)


def test_what_is_not_used_goes_first_and_what_is_in_use_never() -> None:
    spaces = [letter * 32 for letter in "bcd"]
    for age, space in enumerate(spaces):
        filled(range(20), space=space)
        os.utime(cache.root() / space / cache.ABOUT, (1000 + age, 1000 + age))
    opened(space=spaces[0])  # which makes it the most recently used one
    size = sum(space.bytes for space in cache.spaces()) // 3
    filled(range(20), limit=round(3.5 * size))
    assert {space.path.name for space in cache.spaces()} == {SPACE, spaces[0], spaces[2]}
    filled(range(20, 60), limit=round(3.5 * size))
    assert {space.path.name for space in cache.spaces()} == {SPACE}
    warnings: list[str] = []
    filled(range(60, 80), limit=round(3.5 * size), warn=warnings.append)
    assert len(warnings) == 1
    assert all(is_right(opened(), number) for number in range(60))


def test_clearing_takes_nothing_from_who_works_with_it() -> None:
    rows = filled([1])
    assert cache.clear() > 0
    assert is_right(rows, 1)
    rows.put(key(2), row(2))
    rows.flush()
    assert is_right(rows, 2)
    again = opened()
    assert key(1) not in again
    assert is_right(again, 2)


def test_a_shard_that_is_cleared_while_it_is_being_opened(monkeypatch: pytest.MonkeyPatch) -> None:
    filled([1])
    real = cache.shards
    monkeypatch.setattr(cache, "shards", lambda folder: [folder / "gone.safetensors", *real(folder)])
    assert is_right(opened(), 1)


def test_the_folders_are_the_users_alone(home: Path) -> None:
    filled([1])
    for folder in (home / "features", home / "features" / SPACE):
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700


@pytest.mark.parametrize(("mode", "warned"), [(0o700, 0), (0o750, 0), (0o770, 1), (0o707, 1)])
def test_open_doors_are_said_once(home: Path, mode: int, warned: int) -> None:
    (home / "features").mkdir(parents=True)
    (home / "features").chmod(mode)
    warnings: list[str] = []
    rows = filled([1], warn=warnings.append)
    rows.put(key(2), row(2))
    rows.flush()
    assert len(warnings) == warned
    assert all("chmod 700" in warning for warning in warnings)


def test_another_users_space_is_passed_over(monkeypatch: pytest.MonkeyPatch) -> None:
    filled([1])
    filled([1], space="b" * 32)
    real = Path.iterdir

    def iterdir(self: Path) -> Iterator[Path]:
        if self.name == "b" * 32:
            raise PermissionError(errno.EACCES, "Permission denied")
        return real(self)

    monkeypatch.setattr(Path, "iterdir", iterdir)
    assert [space.bytes > 0 for space in cache.spaces()] == [True, False]
    assert is_right(filled([2]), 1)
