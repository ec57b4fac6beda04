"""`graft data sample`: what it writes, and what it refuses."""

from __future__ import annotations

from pathlib import Path

import pytest

from graft.cli.data import write_sample
from graft.data.generate import labelled
from graft.errors import DataError, PluginError, UserError
from graft.plugins import Plugins, TaskSpec, load_plugins


@pytest.fixture(scope="module")
def plugins() -> Plugins:
    return load_plugins()


@pytest.fixture(scope="module")
def task(plugins: Plugins) -> str:
    return next(name for name, spec in plugins.specs(TaskSpec).items() if spec.takes == "labels")


def _write(kind: str, out: Path, plugins: Plugins) -> int:
    return write_sample(kind, out, seed=0, size=16, per_class=2, plugins=plugins)


def test_write_sample__by_target_kind_or_by_task(tmp_path: Path, plugins: Plugins, task: str) -> None:
    by_kind = _write("labels", tmp_path / "new" / "a", plugins)
    (tmp_path / "b").mkdir()
    by_task = _write(task, tmp_path / "b", plugins)
    files = [sorted(p.relative_to(root) for p in root.rglob("*")) for root in (tmp_path / "new" / "a", tmp_path / "b")]
    assert by_kind == by_task == len([path for path in files[0] if path.suffix == ".png"])
    assert files[0] == files[1]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["b", "new"]  # no temporary folder is left


def test_write_sample__unknown_kind(tmp_path: Path, plugins: Plugins) -> None:
    with pytest.raises(PluginError, match="did you mean 'labels'"):
        _write("label", tmp_path / "a", plugins)
    assert not (tmp_path / "a").exists()


@pytest.mark.parametrize("kind", ["full", "file"])
def test_write_sample__out_is_taken(kind: str, tmp_path: Path, plugins: Plugins) -> None:
    out = tmp_path / "out"
    if kind == "full":
        out.mkdir()
        (out / "mine.txt").write_text("keep me")
    else:
        out.write_text("keep me")
    with pytest.raises(DataError, match="is not empty" if kind == "full" else "is a file"):
        _write("labels", out, plugins)
    assert "keep me" in ((out / "mine.txt") if kind == "full" else out).read_text()


def test_write_sample__half_a_set_never_has_the_name(
    tmp_path: Path, plugins: Plugins, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full_disk(*args: object, **options: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(labelled.Image.Image, "save", full_disk)
    with pytest.raises(UserError, match="No space left"):
        _write("labels", tmp_path / "out", plugins)
    assert list(tmp_path.iterdir()) == []
