from __future__ import annotations

import json
from pathlib import Path

import pytest

from commands import Graft
from photos import write_photos

QUICK = ("train.epochs=1", "train.batch=8", "backbone.size=32")


@pytest.mark.parametrize("word", ["b=c", "photos", "train.epochs"])
def test_train__second_word_that_sets_nothing(graft: Graft, word: str) -> None:
    result = graft("classify", "train", "photos", f"./{word}")
    assert result.code == 2
    assert f"./{word}: expected key=value" in result.err
    assert list(graft.folder.iterdir()) == []


def test_train__recipe_of_another_task(graft: Graft) -> None:
    path = graft.folder / "recipe.toml"
    path.write_text('task = "detection"\ndata = "photos"\n')
    result = graft("classify", "train", "--recipe", path)
    assert result.code == 2
    assert "recipe.toml: task" in result.err


def test_train__recipe_without_a_task_has_the_verbs(graft: Graft) -> None:
    path = graft.folder / "recipe.toml"
    path.write_text('data = "nowhere"\n')
    result = graft("classify", "train", "--recipe", path)
    assert result.code == 2
    assert "nowhere" in result.err
    assert "task" not in result.err


def test_train__shortcuts_and_overrides_write_into_the_recipe(graft: Graft) -> None:
    words = ("photos", "train.seed=2", "--epochs", "0", "--seed", "1", "--device", "toaster", "--backbone", "resnet5")
    result = graft("classify", "train", *words)
    assert result.code == 2
    for key in ("train.epochs", "train.device", "backbone.kind"):
        assert f"command line: {key}" in result.err
    assert "train.seed" not in result.err


def test_train__dry_run_writes_nothing(graft: Graft, tmp_path: Path) -> None:
    write_photos(graft.folder / "photos=1")
    before = sorted(graft.folder.rglob("*"))
    result = graft("classify", "train", "./photos=1", *QUICK, "--dry-run", "--json")
    assert result.code == 0, result.err
    document = json.loads(result.out)
    assert document["dry_run"]["seconds"] > 0
    assert "nothing was written" in result.err
    assert sorted(path for path in graft.folder.rglob("*") if "home" not in path.parts) == before


def test_train__quiet_says_nothing(graft: Graft) -> None:
    write_photos(graft.folder / "photos")
    result = graft("classify", "train", "photos", *QUICK, "evaluation.bootstrap=0", "--quiet", "--name", "first")
    assert result.code == 0
    assert result.err == ""
    again = graft("resume", "runs/first")
    assert again.code == 0
    assert "already finished" in again.err


def test_resume__no_such_run(graft: Graft) -> None:
    result = graft("resume", "runs/nothing")
    assert result.code == 2
    assert "no such run" in result.err
