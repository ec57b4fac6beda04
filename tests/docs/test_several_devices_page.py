"""What `docs/guide/several-devices.md` shows can be typed, and is what Graft itself says to type."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest

from graft.testing.commands import Graft

PAGE = (Path(__file__).parents[2] / "docs" / "guide" / "several-devices.md").read_text(encoding="utf-8")
COMMANDS = re.findall(r"^\$ (.*)$", PAGE, re.MULTILINE)
LAUNCHED = [command for command in COMMANDS if not command.startswith("graft")]


def behind_graft(command: str) -> list[str]:
    return shlex.split(command.partition("graft ")[2])


def test_page__has_all_ways_to_start() -> None:
    assert {command.split()[0] for command in COMMANDS} == {"graft", "torchrun", "srun"}


@pytest.mark.parametrize("command", COMMANDS)
def test_command__is_one_that_graft_takes(command: str, tmp_path: Path) -> None:
    words = behind_graft(command)
    nodes = words[words.index("--nodes") + 1] if "--nodes" in words else "1"
    machines = {"RANK": "0", "WORLD_SIZE": str(2 * int(nodes)), "LOCAL_RANK": "0", "LOCAL_WORLD_SIZE": "2"}
    result = Graft(tmp_path)(*words, env=machines if command in LAUNCHED else {})
    # There are no photos here: that is all that is wrong.
    assert result.code == 2
    assert result.err.splitlines()[0].startswith("Start")
    assert "photos" in result.err.splitlines()[1]


@pytest.mark.parametrize("command", [command for command in LAUNCHED if "--nodes 2" in command])
def test_command__for_several_machines_is_what_graft_says(command: str, tmp_path: Path) -> None:
    result = Graft(tmp_path)(*behind_graft(command), "--devices", "4")
    assert result.code == 2
    said = [line.strip() for line in result.err.splitlines()]
    assert f"{command} --devices 4".replace("gpu01", "FIRST_MACHINE") in said


@pytest.mark.parametrize("override", re.findall(r"`((?:train|strategy)[\w.]*=[^`]+)`", PAGE))
def test_words__are_overrides(override: str, tmp_path: Path) -> None:
    (tmp_path / "recipe.toml").write_text('task = "classification"\ndata = "photos/"\n', encoding="utf-8")
    result = Graft(tmp_path)("recipe", "check", "recipe.toml", override)
    assert (result.code, result.err) == (0, "")
