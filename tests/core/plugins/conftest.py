"""A folder for installed plugins, on the path while the test runs."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder on `sys.path`; the working folder is another one, without `plugins.toml` in it or above it."""
    folder, work = tmp_path / "site", tmp_path / "work"
    folder.mkdir()
    work.mkdir()
    monkeypatch.chdir(work)
    monkeypatch.syspath_prepend(str(folder))
    for variable in ("GRAFT_PLUGINS", "GRAFT_TRACE_PLUGINS", "GRAFT_RAISE_PLUGIN_ERRORS"):
        monkeypatch.delenv(variable, raising=False)
    yield folder
    for name, module in list(sys.modules.items()):
        if str(getattr(module, "__file__", None) or "").startswith(str(tmp_path)):
            del sys.modules[name]
