"""What `docs/plugin-authors/testing.md` tells authors to write passes, fails where it says so, and names the place."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

PAGES = Path(__file__).parents[2] / "docs" / "plugin-authors"
PAGE = (PAGES / "testing.md").read_text(encoding="utf-8")
FIRST = (PAGES / "first-plugin.md").read_text(encoding="utf-8")


def blocks(language: str, page: str = PAGE) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", page, re.MULTILINE | re.DOTALL)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The folder of the first plugin, with its tests."""
    (tmp_path / "grain.py").write_text(blocks("python", FIRST)[0], encoding="utf-8")
    (tmp_path / "plugins.toml").write_text(blocks("toml", FIRST)[0], encoding="utf-8")
    (tmp_path / "test_grain.py").write_text(blocks("python")[0], encoding="utf-8")
    return tmp_path


def run(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("GRAFT_P", "PYTEST_"))}
    return subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "--rootdir", ".", "-p", "no:cacheprovider", *words],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )


def test_snippets__pass(folder: Path) -> None:
    for number, block in enumerate(blocks("python")[1:]):
        (folder / f"test_more{number}.py").write_text(block, encoding="utf-8")
    done = run(folder, "-rp")
    assert done.returncode == 0, done.stdout
    shown = blocks("console")[0].splitlines()[-1]
    assert shown == f"{done.stdout.count('PASSED test_grain.py::')} passed"


def test_fault__is_found_as_shown(folder: Path) -> None:
    plugin = folder / "grain.py"
    text = plugin.read_text(encoding="utf-8")
    assert text.count("default_rng(seed)") == 1
    plugin.write_text(text.replace("default_rng(seed)", "default_rng()"), encoding="utf-8")
    done = run(folder, "-k", "TestGrain and seed")
    assert done.returncode == 1
    _, *shown = blocks("console")[1].splitlines()
    assert "\n".join(shown) in done.stdout


def test_classes__are_all_in_the_table() -> None:
    import graft.testing

    classes = {name for name in graft.testing.__all__ if name.endswith("Conformance")} - {"Conformance"}
    assert set(re.findall(r"^\| `(\w+Conformance)` \|", PAGE, re.MULTILINE)) == classes


def test_faults__are_as_many_as_shown() -> None:
    table = (PAGES.parent / "results" / "mutations.md").read_text(encoding="utf-8")
    assert f"messages of {table.split(' faults')[0].split()[-1]} faults" in PAGE
