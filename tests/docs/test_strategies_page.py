"""What `docs/guide/strategies.md` shows is so, and it leaves nothing out."""

from __future__ import annotations

import re
import shlex
from pathlib import Path
from typing import get_args

import pytest

from graft.plugins import StrategySpec, load_plugins
from graft.recipe import load_recipe
from graft.recipe.schema import Regularise, Strategy
from graft.strategies.options import OPTIMIZERS, SCHEDULES, UNFREEZE
from graft.testing.commands import Graft

PAGE = (Path(__file__).parents[2] / "docs" / "guide" / "strategies.md").read_text(encoding="utf-8")


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)


def commands() -> list[list[str]]:
    lines = (line for block in blocks("console") for line in block.splitlines())
    return [shlex.split(line.removeprefix("$ graft ")) for line in lines if line.startswith("$ graft ")]


TRAIN = [words for words in commands() if words[:2] == ["classify", "train"]]


@pytest.mark.parametrize("text", blocks("toml"))
def test_recipe__is_valid(text: str, tmp_path: Path) -> None:
    path = tmp_path / "recipe.toml"
    path.write_text(text, encoding="utf-8")
    load_recipe(path, plugins=load_plugins(names=["classification"]))


@pytest.mark.parametrize("words", TRAIN, ids=" ".join)
def test_command__is_a_valid_recipe(words: list[str], tmp_path: Path) -> None:
    overrides = [word for word in words if "=" in word]
    (tmp_path / "recipe.toml").write_text('task = "classification"\ndata = "photos/"\n', encoding="utf-8")
    assert Graft(tmp_path)("recipe", "check", "recipe.toml", *overrides).code == 0
    assert set(words) - set(overrides) <= {"classify", "train", "photos/", "--budget", "10m"}


def test_command__shows_the_preset_in_these_words(tmp_path: Path) -> None:
    (shown,) = [block for block in blocks("console") if "strategies show" in block]
    command, _, expected = shown.partition("$ graft strategies ")[2].partition("\n")
    result = Graft(tmp_path)("strategies", *command.split())
    assert (result.code, result.out) == (0, expected)


def test_page__has_every_word() -> None:
    presets = set(load_plugins(names=[]).specs(StrategySpec))
    norms = get_args(Strategy.model_fields["norm"].annotation)
    words = {*presets, *UNFREEZE, *OPTIMIZERS, *SCHEDULES, *norms}
    assert [word for word in sorted(words) if f"`{word}`" not in PAGE] == []
    assert [key for key in Regularise.model_fields if not re.search(rf"\b{key} ?=", PAGE)] == []


@pytest.mark.parametrize("override", re.findall(r"`((?:head|augment|train|speed|strategy)[\w.]*=[^`]+)`", PAGE))
def test_words__are_overrides(override: str, tmp_path: Path) -> None:
    (tmp_path / "recipe.toml").write_text('task = "classification"\ndata = "photos/"\n', encoding="utf-8")
    result = Graft(tmp_path)("recipe", "check", "recipe.toml", override)
    assert (result.code, result.err) == (0, "")


@pytest.mark.parametrize("link", re.findall(r"\]\(([^)#]+)", PAGE))
def test_links__lead_somewhere(link: str) -> None:
    assert (Path(__file__).parents[2] / "docs" / "guide" / link).exists()
