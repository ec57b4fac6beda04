from __future__ import annotations

import json
import tomllib
from pathlib import Path

import pytest

from graft.testing.commands import Graft


@pytest.fixture
def graft(tmp_path: Path) -> Graft:
    return Graft(tmp_path)


def test_list__names_every_preset(graft: Graft) -> None:
    lines = graft("strategies", "list").out.splitlines()
    assert lines[0].split() == ["NAME", "PLUGIN", "SUMMARY"]
    assert {line.split()[0] for line in lines[1:]} >= {"full", "fixed"}


def test_list__json(graft: Graft) -> None:
    listed = json.loads(graft("strategies", "list", "--json").out)["strategies"]
    assert {one["name"]: one["plugin"] for one in listed}["fixed"] == "core"


def test_show__prints_what_a_recipe_could_say_instead(graft: Graft) -> None:
    shown = graft("strategies", "show", "fixed").out
    assert tomllib.loads(shown)["strategy"]["unfreeze"] == "none"
    base = 'task = "classification"\ndata = "photos"\n'
    (graft.folder / "named.toml").write_text(base + 'strategy = "fixed"\n')
    (graft.folder / "spelt.toml").write_text(base + shown)
    named, spelt = (json.loads(graft("recipe", "show", f"{name}.toml", "--json").out) for name in ("named", "spelt"))
    assert named["recipe"]["strategy"].pop("preset") == "fixed"
    assert named == spelt


def test_show__json(graft: Graft) -> None:
    document = json.loads(graft("strategies", "show", "fixed", "--json").out)
    assert document["recipe"]["strategy"]["unfreeze"] == {"kind": "none"}


def test_show__an_unknown_one(graft: Graft) -> None:
    result = graft("strategies", "show", "fixd")
    assert result.code == 2
    assert "did you mean 'fixed'?" in result.err
