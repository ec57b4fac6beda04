"""What `docs/guide/features.md` shows works as it stands there."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import numpy as np
import pytest

from graft.testing.commands import Graft
from photos import write_photos

PAGE = (Path(__file__).parents[2] / "docs" / "guide" / "features.md").read_text(encoding="utf-8")


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)


def commands() -> list[list[str]]:
    lines = (line for block in blocks("console") for line in block.splitlines())
    return [shlex.split(line.removeprefix("$ graft ")) for line in lines if line.startswith("$ graft ")]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    write_photos(tmp_path / "photos", per_class=6)
    new = write_photos(tmp_path / "new-photos", per_class=3, seed=1)
    (new / "apple" / "broken.png").write_bytes(b"no picture")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("GRAFT_HOME", str(tmp_path / "home"))
    return tmp_path


def test_commands__one_after_the_other(folder: Path) -> None:
    seen = [" ".join(words[:2]) for words in commands()]
    assert seen == ["features extract"] * 3 + ["cache list", "cache clear", "cache clear"]
    for words in commands():
        result = Graft(folder)(*words)
        assert result.code == 0, result.err
        if words[1] == "list":
            assert len(result.out.splitlines()) == 1 + 2, "the third one is of the same network as the first"
    assert list((folder / "home" / "features").iterdir()) == []
    with np.load("scales.npz", allow_pickle=False) as file:
        assert file["stage2"].shape == file["stage3"].shape == (18, 8)
    with np.load("apple.npz", allow_pickle=False) as file:
        assert file["embedding"].shape == (3, 96)


def test_python__the_file(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert Graft(folder)(*commands()[0]).code == 0
    code, _ = blocks("python")
    exec(compile(code, "features.md", "exec"), {})
    assert capsys.readouterr().out == "(18, 96) apache-2.0\n"


def test_python__the_grid_search(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    _, code = blocks("python")
    names: dict[str, object] = {}
    exec(compile(code, "features.md", "exec"), names)
    assert capsys.readouterr().out.endswith("['apple' 'apple']\n")


def test_options__are_the_commands(folder: Path) -> None:
    shown = re.findall(r"^\| `(--[a-z-]+)", PAGE, re.MULTILINE)
    shown += re.findall(r"`(--(?:backbone|weights|size))`", PAGE)
    assert len(shown) == 8
    text = Graft(folder)("features", "extract", "--help").out
    assert [option for option in shown if option not in text] == []
