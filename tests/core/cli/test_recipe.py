from __future__ import annotations

import json
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from graft.testing.commands import Graft


@pytest.fixture
def graft(tmp_path: Path) -> Graft:
    (tmp_path / "recipe.toml").write_text('task = "classification"\ndata = "photos"\nstrategy = "fixed"\n')
    (tmp_path / "wrong.toml").write_text('task = "classification"\ndata = "photos"\nhed = "mlp"\n')
    return Graft(tmp_path)


def test_check__valid(graft: Graft) -> None:
    result = graft("recipe", "check", "recipe.toml", "head=mlp", "head.dropout=0.5")
    assert (result.code, result.out, result.err) == (0, "recipe.toml is valid\n", "")


def test_check__every_mistake_and_exit_code_2(graft: Graft) -> None:
    result = graft("recipe", "check", "wrong.toml", "train.epochs=0")
    assert (result.code, result.out) == (2, "")
    assert result.err == (
        "graft: the recipe has 2 mistakes\n"
        "  command line: train.epochs: expected a whole number above 0, got 0\n"
        "  wrong.toml: hed: unknown key (did you mean 'head'?)\n"
        "Fix: correct them; every key: graft recipe schema\n"
    )


def test_check__json(graft: Graft) -> None:
    good, bad = graft("recipe", "check", "recipe.toml", "--json"), graft("--json", "recipe", "check", "wrong.toml")
    assert (good.code, json.loads(good.out)) == (0, {"recipe": "recipe.toml", "valid": True, "problems": []})
    assert (bad.code, json.loads(bad.out)) == (
        2,
        {
            "recipe": "wrong.toml",
            "valid": False,
            "error": "the recipe has a mistake",
            "problems": [{"where": "wrong.toml: hed", "what": "unknown key", "hint": "did you mean 'head'?"}],
        },
    )


def test_show__is_a_recipe_again(graft: Graft) -> None:
    shown = graft("recipe", "show", "recipe.toml", "train.epochs=3")
    assert tomllib.loads(shown.out)["train"]["epochs"] == 3
    (graft.folder / "again.toml").write_text(shown.out)
    assert graft("recipe", "show", "again.toml").out == shown.out


def test_show__origins(graft: Graft) -> None:
    shown = graft("recipe", "show", "recipe.toml", "train.epochs=3", "--origin").out
    origins = {line.partition(" =")[0]: line.rpartition("  # ")[2] for line in shown.splitlines()}
    assert origins["train.epochs"] == "command line"
    assert origins["data.train"] == "recipe.toml"
    assert origins["strategy.unfreeze.kind"] == "preset fixed"
    assert origins["head.kind"] == "task classification"
    assert origins["train.batch"] == "default"
    (graft.folder / "again.toml").write_text(shown)
    assert graft("recipe", "show", "again.toml").out == graft("recipe", "show", "recipe.toml", "train.epochs=3").out


def test_show__json(graft: Graft) -> None:
    document = json.loads(graft("recipe", "show", "recipe.toml", "--origin", "--json").out)
    assert document["recipe"]["strategy"]["unfreeze"] == {"kind": "none"}
    assert document["origins"]["strategy.preset"] == "recipe.toml"


def test_schema__names_installed_parts(graft: Graft) -> None:
    schema = json.loads(graft("recipe", "schema").out)
    assert "head.mlp" in schema["$defs"]


def test_check__is_light(graft: Graft) -> None:
    code = """
import sys
sys.argv = ["graft", "recipe", "check", "recipe.toml", "backbone=resnet50"]
from graft.cli import main
try:
    main()
finally:
    heavy = {"torch", "timm", "lightning", "torchvision", "albumentations", "matplotlib", "sklearn"}
    print(sorted(heavy & set(sys.modules)))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=graft.folder)
    assert done.stdout == "recipe.toml is valid\n[]\n"
