"""What `docs/guide/recipes.md` shows is so."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest

from graft.plugins import load_plugins
from graft.recipe import load_recipe
from graft.testing.commands import Graft

PAGE = (Path(__file__).parents[2] / "docs" / "guide" / "recipes.md").read_text(encoding="utf-8")


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)


def commands() -> list[list[str]]:
    lines = (line for block in blocks("console") for line in block.splitlines())
    return [shlex.split(line.removeprefix("$ graft ")) for line in lines if line.startswith("$ graft ")]


def test_page__has_examples() -> None:
    assert len(blocks("toml")) >= 4
    assert len(commands()) >= 5


@pytest.mark.parametrize("text", blocks("toml"))
def test_recipe__is_valid(text: str, tmp_path: Path) -> None:
    path = tmp_path / "recipe.toml"
    path.write_text(text, encoding="utf-8")
    first = load_recipe(path, plugins=load_plugins(names=["classification"]))
    path.write_text(first.to_toml(), encoding="utf-8")
    assert load_recipe(path, plugins=load_plugins(names=["classification"])) == first


RIGHT = [words for words in commands() if words[1] in ("train", "check") and "train.epochs=0" not in words]


@pytest.mark.parametrize("text", blocks("toml"))
@pytest.mark.parametrize("command", RIGHT, ids=" ".join)
def test_command__its_overrides_fit_every_recipe(command: list[str], text: str, tmp_path: Path) -> None:
    (tmp_path / "recipe.toml").write_text(text, encoding="utf-8")
    overrides = [argument for argument in command if "=" in argument]
    result = Graft(tmp_path)("recipe", "check", "recipe.toml", *overrides)
    assert (result.code, result.err) == (0, "")


def test_mistakes__are_said_in_these_words(tmp_path: Path) -> None:
    text = 'task = "classification"\ndata = "x"\nhead = "lineer"\n[strategy.pace]\nwarmpu = 0.1\n'
    (tmp_path / "recipe.toml").write_text(text, encoding="utf-8")
    (shown,) = [block for block in blocks("console") if "mistakes" in block]
    command, _, expected = shown.partition("\n")
    result = Graft(tmp_path)(*shlex.split(command.removeprefix("$ graft ")))
    assert (result.code, result.err) == (2, expected)


def test_python__runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (code,) = blocks("python")
    exec(compile(code, "recipes.md", "exec"), {})
