from __future__ import annotations

import errno
import os
import subprocess
from pathlib import Path

import pytest

from forks import fork
from graft import atomic
from graft.errors import TrainingError


def test_write_text__replaces_and_leaves_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    atomic.write_text(path, "old")
    atomic.write_text(path, "new ö \udcff")
    assert path.read_bytes() == "new ö ".encode() + b"\xff"
    assert list(tmp_path.iterdir()) == [path]


def test_write_bytes__order_of_the_steps(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    steps: list[str] = []
    fsync, replace = os.fsync, Path.replace

    def recorded_fsync(descriptor: int) -> None:
        steps.append("fsync " + Path(f"/proc/self/fd/{descriptor}").readlink().name)
        fsync(descriptor)

    def recorded_replace(self: Path, target: Path) -> Path:
        steps.append(f"rename to {target.name}")
        assert self.parent == target.parent, "a rename between file systems is a copy"
        return replace(self, target)

    monkeypatch.setattr(os, "fsync", recorded_fsync)
    monkeypatch.setattr(Path, "replace", recorded_replace)
    atomic.write_bytes(tmp_path / "a", b"1")
    assert steps == [f"fsync .tmp-{os.getpid()}-a", "rename to a", f"fsync {tmp_path.name}"]


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EDQUOT, errno.EFBIG])
def test_write_bytes__full_disk_leaves_the_old_content(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: int
) -> None:
    path = tmp_path / "a"
    atomic.write_bytes(path, b"old")

    def full(_: int) -> None:
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(TrainingError) as caught:
        atomic.write_bytes(path, b"12345")
    assert str(path) in str(caught.value)
    assert "it takes 5 bytes" in str(caught.value)
    assert "bytes are free" in str(caught.value)
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def test_write_bytes__another_refusal_names_the_path(tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match="gone/a: cannot be written"):
        atomic.write_bytes(tmp_path / "gone" / "a", b"")


def test_write_bytes__on_a_disk_that_is_really_full(tmp_path: Path) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=300k", "tmpfs", str(disk)], capture_output=True, text=True, check=False
    )
    if mounted.returncode:
        pytest.skip(f"no tmpfs can be mounted here: {mounted.stderr.strip()}")
    try:
        atomic.write_bytes(disk / "a", b"o" * 100_000)
        with pytest.raises(TrainingError, match="it takes 250,000 bytes"):
            atomic.write_bytes(disk / "a", b"n" * 250_000)
        with pytest.raises(TrainingError, match="No space left"), atomic.writing_folder(disk / "f") as folder:
            (folder / "b").write_bytes(b"n" * 250_000)
        assert [path.name for path in disk.iterdir()] == ["a"]
        assert (disk / "a").read_bytes() == b"o" * 100_000
    finally:
        subprocess.run(["umount", str(disk)], check=True)


def test_write_bytes__beyond_the_largest_file_size(tmp_path: Path) -> None:
    import resource
    import signal

    path = tmp_path / "a"
    atomic.write_bytes(path, b"old")

    def limited() -> int:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))
        try:
            atomic.write_bytes(path, b"n" * 5000)
        except TrainingError:
            return 7
        return 0

    assert fork(limited).wait() == 7
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def test_writing_folder__is_there_whole_or_not_at_all(tmp_path: Path) -> None:
    final = tmp_path / "f"
    with atomic.writing_folder(final) as folder:
        (folder / "inner").mkdir()
        (folder / "inner" / "a").write_text("1")
        assert not final.exists()
    assert (final / "inner" / "a").read_text() == "1"

    def fail_midway() -> None:
        with atomic.writing_folder(final) as folder:
            (folder / "a").write_text("2")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fail_midway()
    assert (final / "inner" / "a").read_text() == "1"
    with atomic.writing_folder(final) as folder:
        (folder / "b").write_text("3")
    assert [path.name for path in final.iterdir()] == ["b"]
    assert list(tmp_path.iterdir()) == [final]


def test_sweep__removes_what_dead_processes_left_and_nothing_else(tmp_path: Path) -> None:
    child = fork(lambda: 0)
    child.wait()
    for name in (f".tmp-{child.pid}-a", f".tmp-{os.getpid()}-b", f".tmp-{os.getppid()}-c", ".tmp-x-d", "e"):
        (tmp_path / name).write_text("")
    (tmp_path / f".tmp-{child.pid}-folder").mkdir()
    (tmp_path / f".tmp-{child.pid}-folder" / "a").write_text("")
    atomic.sweep(tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == {f".tmp-{os.getppid()}-c", ".tmp-x-d", "e"}


def test_alive() -> None:
    child = fork(lambda: 0)
    child.wait()
    assert atomic.alive(os.getpid())
    assert not atomic.alive(child.pid)
