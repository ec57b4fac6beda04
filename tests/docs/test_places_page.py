"""What `docs/plugin-authors/places.md` tells an author to write is a plugin that the kit has nothing to say against."""

from __future__ import annotations

import importlib
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from distributions import install_editable, run_pytest
from graft.authoring.distribution import new
from graft.data.augment import BASIC, NONE, ImageAugmentation
from graft.data.spatial import Spatial
from graft.plugins import load_plugins

PAGE = (Path(__file__).parents[2] / "docs" / "plugin-authors" / "places.md").read_text(encoding="utf-8")
MODULES = re.findall(r"^`((?:tests/)?\w+\.py)`(?:.(?!```))*?\n\n```python\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The template of a task, with the page's modules in place of its own."""
    folder = tmp_path_factory.mktemp("places")
    project = new("landmarks", "task", out=folder, licence="MIT", plugins=load_plugins(names=["classification"]))
    package = project / "src" / "graft_landmarks"
    (removed,) = re.findall(r"^\$ rm (.*)$", PAGE, re.MULTILINE)
    for name in removed.split():
        (package / name).unlink()
    for name, code in MODULES:
        ((project if "/" in name else package) / name).write_text(code, encoding="utf-8")
    install_editable(folder / "site", project)
    return project


@pytest.fixture
def points(project: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    monkeypatch.syspath_prepend(str(project / "src"))
    yield importlib.import_module("graft_landmarks.points").Points
    for name in [name for name in sys.modules if name.startswith("graft_landmarks")]:
        del sys.modules[name]


def test_places__the_kit_finds_nothing(project: Path) -> None:
    assert len(MODULES) == PAGE.count("```python")
    site = project.parent / "site"
    done = run_pytest(site, project / "tests", "-rp", folder=site)
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-1000:]
    assert "PASSED" in done.stdout
    assert "test_places__go_where_they_are_moved[landmarks]" in done.stdout


def test_places__is_clean(project: Path) -> None:
    for words in (["check"], ["format", "--check"]):
        done = subprocess.run(
            [sys.executable, "-m", "ruff", *words, "--no-cache", str(project)],
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stdout


@pytest.mark.parametrize("values", [{**NONE, "flip": True}, {**BASIC, "rotate": 0.0}], ids=["flip", "basic"])
def test_places__a_point_stays_on_what_it_points_at(points: Any, values: dict[str, Any]) -> None:
    image = np.zeros((64, 64, 3), np.uint8)
    image[20:23, 44:47] = 255
    target = points(np.array([[np.nan, np.nan], [45.5, 21.5]], np.float32), (64, 64))
    assert isinstance(target, Spatial)
    seen = 0
    for seed in range(40):
        changed, moved = ImageAugmentation((48, 48), values)(image, target, seed)
        rows, columns = np.nonzero(changed.max(axis=2) > 128)
        assert np.isnan(moved.xy[0]).all(), "what was not in the image is not in it now"
        if np.isnan(moved.xy[1]).any() or not len(rows):
            continue
        seen += 1
        assert abs(moved.xy[1, 0] - (columns.mean() + 0.5)) < 1.5
        assert abs(moved.xy[1, 1] - (rows.mean() + 0.5)) < 1.5
    assert seen > 10


def test_places__a_point_that_was_cut_away_is_nowhere(points: Any) -> None:
    two = points(np.array([[5.0, 5.0], [32.0, 30.0]], np.float32), (64, 64))
    image = np.zeros((64, 64, 3), np.uint8)
    _, moved = ImageAugmentation((16, 16), NONE)(image, two, 0)
    assert np.isnan(moved.xy[0]).all()
    assert moved.xy[1].tolist() == [8.0, 6.0]
    assert len(moved.places().boxes) == 1
