from __future__ import annotations

from pathlib import Path

from graft.engine._memory import free_memory

GB = 2**30


def files(root: Path, **contents: str) -> Path:
    for name, text in contents.items():
        path = root / name.replace("__", "/")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return root


def test_free_memory__what_the_machine_has(tmp_path: Path) -> None:
    root = files(tmp_path, proc__meminfo="MemTotal: 9 kB\nMemAvailable:    2048 kB\n")
    assert free_memory(root) == 2048 * 1024


def test_free_memory__a_containers_limit(tmp_path: Path) -> None:
    root = files(tmp_path, proc__meminfo=f"MemAvailable: {9 * 2**20} kB\n", proc__self__cgroup="0::/\n")
    group = root / "sys/fs/cgroup"
    group.mkdir(parents=True)
    (group / "memory.max").write_text(f"{4 * GB}\n")
    (group / "memory.current").write_text(f"{3 * GB}\n")
    assert free_memory(root) == GB
    # What was only read from files can be had back.
    (group / "memory.stat").write_text(f"anon 5\ninactive_file {2 * GB}\n")
    assert free_memory(root) == 3 * GB
    (group / "memory.max").write_text("max\n")
    assert free_memory(root) == 9 * GB


def test_free_memory__a_batch_systems_limit_on_a_group_above(tmp_path: Path) -> None:
    root = files(tmp_path, proc__self__cgroup="1:cpu:/\n0::/slurm/job_7/step_0\n")
    for path, limit in (("slurm/job_7/step_0", "max"), ("slurm/job_7", str(2 * GB)), ("slurm", "max")):
        group = root / "sys/fs/cgroup" / path
        group.mkdir(parents=True, exist_ok=True)
        (group / "memory.max").write_text(limit)
        (group / "memory.current").write_text(str(GB // 2))
    assert free_memory(root) == 2 * GB - GB // 2


def test_free_memory__control_groups_of_the_first_version(tmp_path: Path) -> None:
    root = files(tmp_path, proc__meminfo=f"MemAvailable: {2**20} kB\n", proc__self__cgroup="4:memory:/a\n0::/\n")
    group = root / "sys/fs/cgroup/memory/a"
    group.mkdir(parents=True)
    (group / "memory.limit_in_bytes").write_text("1000")
    (group / "memory.usage_in_bytes").write_text("1400")
    (group / "memory.stat").write_text("total_inactive_file 100\n")
    assert free_memory(root) == 0


def test_free_memory__this_machine() -> None:
    free = free_memory()
    assert free is None or 0 <= free < 2**50


def test_free_memory__system_without_such_files(tmp_path: Path) -> None:
    free = free_memory(tmp_path)
    assert free is None or free > 2**20
