"""The pytest plugin: fixtures for the tests of plugins. pytest finds it by its entry point, and imports little with it.

All names begin with `graft`, so that none is in the way of a test's own.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from graft.testing.commands import Graft

if TYPE_CHECKING:
    from graft.backbones.contract import Backbone
    from graft.plugins import Plugins
    from graft.testing.data import Lab
    from graft.testing.processes import Finished


@pytest.fixture(scope="session")
def graft_plugins(pytestconfig: pytest.Config) -> Plugins:
    """What core and the plugins that are on offer, as the `plugins.toml` at or above the tests' root folder says."""
    from graft.plugins import load_plugins

    return load_plugins(start=pytestconfig.rootpath)


@pytest.fixture
def graft(tmp_path: Path, pytestconfig: pytest.Config) -> Graft:
    """`graft("classify", "train", …)`: the command line in an empty folder, offline, with a cache of its own.

    Plugins of one file, which the `plugins.toml` at or above the root folder names, are there, too.
    """
    from graft.plugins.manifest import choose

    local = choose(start=pytestconfig.rootpath).local
    if local:
        entries = [f"[[local]]\npath = '{path}'\nname = '{name}'\n" for name, path in local.items()]
        (tmp_path / "plugins.toml").write_text("\n".join(entries), encoding="utf-8")
    return Graft(tmp_path)


@pytest.fixture(scope="session")
def graft_lab(graft_plugins: Plugins, tmp_path_factory: pytest.TempPathFactory) -> Lab:
    """What a training of each task begins with, on tiny data, and the data themselves."""
    from graft.testing.data import Lab

    return Lab(graft_plugins, tmp_path_factory.mktemp("graft"))


@pytest.fixture(scope="session")
def graft_data(graft_lab: Lab) -> Callable[..., Path]:
    """`graft_data("TASK", size=32, per_class=2)`: a folder with that task's sample data; do not change it."""
    return graft_lab.folder


@pytest.fixture
def graft_backbone() -> Callable[..., Backbone]:
    """`graft_backbone(reductions=(2, 4, 8, 16, 32), channels=3)`: a tiny backbone with weights at random."""
    from graft.testing.backbones import tiny_backbone

    return tiny_backbone


@pytest.fixture
def graft_python() -> Callable[..., Finished]:
    """`graft_python("import mine.plugin")`: run code in a process of its own; has `code`, `out` and `err`."""
    from graft.testing.processes import run_python

    return run_python


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Give the checks of a conformance class each name that the class has."""
    if "graft_name" in metafunc.fixturenames:
        name = getattr(metafunc.cls, "name", ())
        metafunc.parametrize("graft_name", [name] if isinstance(name, str) else list(name), scope="session")
