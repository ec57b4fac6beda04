"""What the README tells people to type works as it stands there."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import pytest

from graft.testing.commands import Graft
from photos import write_photos

README = (Path(__file__).parents[2] / "README.md").read_text(encoding="utf-8")
SHORT = ("train.epochs=1", "train.batch=8", "backbone.size=32", "backbone.weights=none", "evaluation.bootstrap=0")


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", README, flags=re.DOTALL)


def commands() -> Iterator[list[str]]:
    for block in blocks("sh"):
        for line in block.splitlines():
            words = shlex.split(line, comments=True)
            if words[:3] == ["uv", "run", "graft"]:
                yield words[3:]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write_photos(tmp_path / "photos")
    write_photos(tmp_path / "new-photos", per_class=2)
    rows = [f"{path.relative_to(tmp_path)},{path.parent.name}" for path in sorted((tmp_path / "photos").rglob("*.png"))]
    (tmp_path / "labels.csv").write_text("path,label\n" + "\n".join(rows) + "\n")
    return tmp_path


def test_readme__the_two_commands() -> None:
    assert "pip install uv && uv run graft demo" in README
    assert "uv run pytest" in README


def test_readme__commands(folder: Path) -> None:
    graft = Graft(folder)
    seen = [words for words in commands() if words != ["demo"]]
    assert len(seen) >= 6
    for words in seen:
        if words[0] == "try":
            words = [*words, "backbone.size=32"]
        elif words[1] == "train":
            # A head that is fitted at once has no epochs to say.
            short = SHORT[1:] if "head=svm" in words else SHORT
            words = [*words, *short, *(["train.budget=2s"] if "--budget" in words else [])]
        else:
            latest = max((folder / "runs").iterdir(), key=lambda run: run.stat().st_mtime)
            words = [str(latest) if word.startswith("runs/") else word for word in words]
        result = graft(*words)
        assert result.code == 0, f"{words}\n{result.err}"


def test_readme__python(folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.chdir(folder)
    monkeypatch.setenv("GRAFT_HOME", str(folder / "home"))
    (block,) = blocks("python")
    exec(compile(block, "README.md", "exec"), {})
    printed = capsys.readouterr().out.splitlines()
    assert len(printed) == 1 + 6
