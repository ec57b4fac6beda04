from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from graft.console import Console
from graft.plugins import Plugins
from graft.recipe import ResolvedRecipe, load_recipe
from graft.runs.folder import Run
from shades import QUICK, Train, shades_plugins, write_shades


@pytest.fixture(scope="session")
def plugins() -> Plugins:
    return shades_plugins()


@pytest.fixture(scope="session")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two classes of twelve pictures."""
    return write_shades(tmp_path_factory.mktemp("shades") / "pictures")


@pytest.fixture
def recipe(plugins: Plugins, pictures: Path) -> Callable[..., ResolvedRecipe]:
    def resolved(*overrides: str) -> ResolvedRecipe:
        return load_recipe(None, base={**QUICK, "data.train": str(pictures)}, overrides=overrides, plugins=plugins)

    return resolved


@pytest.fixture
def train(plugins: Plugins, recipe: Callable[..., ResolvedRecipe], tmp_path: Path) -> Train:
    """Train a tiny network on the pictures: `train("train.epochs=5", name="a")`."""

    def run(*overrides: str, name: str | None = None, console: Console | None = None) -> Run:
        from graft.engine.train import train

        return train(
            recipe(*overrides), plugins=plugins, out=tmp_path, name=name, console=console or Console(quiet=True)
        )

    return run


@pytest.fixture(autouse=True)
def _quick_report(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave the report out: drawing takes longer than training, and has tests of its own."""

    def write(run: Run, material: object) -> Path:
        path = run.path / "report.html"
        path.write_text("")
        return path

    monkeypatch.setattr("graft.engine._finish.write_report", write)
