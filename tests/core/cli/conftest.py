"""A folder for installed plugins, on the path while the test runs, and the command line in a folder of its own."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from graft.testing.commands import Graft


@pytest.fixture
def work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty working folder, with no `plugins.toml` in it or above it."""
    folder = tmp_path / "work"
    folder.mkdir()
    for variable in ("GRAFT_PLUGINS", "GRAFT_TRACE_PLUGINS", "GRAFT_RAISE_PLUGIN_ERRORS"):
        monkeypatch.delenv(variable, raising=False)
    return folder


@pytest.fixture
def graft(work: Path) -> Graft:
    """The command line in `work`."""
    return Graft(work)


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder on `sys.path` for installed plugins."""
    folder = tmp_path / "site"
    folder.mkdir()
    monkeypatch.syspath_prepend(str(folder))
    yield folder
    for name, module in list(sys.modules.items()):
        if str(getattr(module, "__file__", None) or "").startswith(str(tmp_path)):
            del sys.modules[name]
