from __future__ import annotations

import json
from pathlib import Path

import pytest

from graft.testing.commands import Graft
from photos import write_photos

QUICK = ("train.epochs=1", "train.batch=8", "backbone.size=32")


@pytest.mark.parametrize("word", ["b=c", "photos", "train.epochs"])
def test_train__second_word_that_sets_nothing(graft: Graft, word: str) -> None:
    result = graft("classify", "train", "photos", f"./{word}")
    assert result.code == 2
    assert f"./{word}: expected key=value" in result.err
    assert list(graft.folder.iterdir()) == []


def test_train__help_says_what_data_can_be(graft: Graft) -> None:
    said = " ".join(graft("detect", "train", "--help").out.split())
    assert "DATA is what one of these readers knows" in said
    assert "voc: Pascal VOC: an XML file per image" in said
    assert "masks:" not in said


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


def test_train__budget_is_a_shortcut(graft: Graft) -> None:
    result = graft("classify", "train", "photos", "--budget", "soon")
    assert result.code == 2
    assert "command line: train.budget: 'soon' is no length of time; write it as in 90s, 10m or 1h30m" in result.err


def test_train__nodes_say_what_to_type_on_each_machine(graft: Graft) -> None:
    (graft.folder / "my photos").mkdir()
    result = graft("classify", "train", "my photos", "--devices", "4", "--nodes", "2")
    assert result.code == 2
    typed = "graft classify train 'my photos' --devices 4 --nodes 2"
    lines = result.err.splitlines()
    launcher = "torchrun --nnodes 2 --nproc-per-node 4 --rdzv-backend c10d --rdzv-endpoint FIRST_MACHINE:29400"
    assert f"  {launcher} --no-python {typed}" in lines
    assert f"  srun --nodes 2 --ntasks-per-node 4 {typed}" in lines
    assert {path.name for path in graft.folder.iterdir()} <= {"my photos", "home"}


TWO_MACHINES = {"RANK": "0", "WORLD_SIZE": "4", "LOCAL_RANK": "0", "LOCAL_WORLD_SIZE": "2"}
SLURM = {"SLURM_PROCID": "0", "SLURM_STEP_NUM_TASKS": "4", "SLURM_STEP_NUM_NODES": "2"}


@pytest.mark.parametrize("environment", [TWO_MACHINES, SLURM], ids=["torchrun", "slurm"])
def test_train__nodes_must_be_those_that_were_started(graft: Graft, environment: dict[str, str]) -> None:
    (graft.folder / "photos").mkdir()
    result = graft("classify", "train", "photos", "--nodes", "3", env=environment)
    assert result.code == 2
    assert "--nodes 3, and the processes were started on 2 machines" in result.err
    assert "start them on 3, or give --nodes 2" in result.err


def test_train__right_nodes_go_on(graft: Graft) -> None:
    for words, environment in ((("--nodes", "1"), {}), (("--nodes", "2"), TWO_MACHINES), ((), TWO_MACHINES)):
        result = graft("classify", "train", "nowhere", *words, env=environment)
        assert result.code == 2
        assert "--nodes" not in result.err
        assert "nowhere" in result.err


@pytest.mark.parametrize(
    "words",
    [("photos", "train.epochs=0"), ("nowhere",), ("photos", "--nodes", "3"), ("photos", "train.device=toaster")],
    ids=" ".join,
)
def test_train__another_process_leaves_with_the_leader_and_says_nothing(graft: Graft, words: tuple[str, ...]) -> None:
    (graft.folder / "photos").mkdir()
    result = graft("classify", "train", *words, env={**TWO_MACHINES, "RANK": "1", "LOCAL_RANK": "1"})
    assert (result.code, result.out, result.err) == (2, "", "")


def test_resume__no_such_run_for_nobody(graft: Graft) -> None:
    result = graft("resume", "runs/nothing", env={**TWO_MACHINES, "RANK": "1", "LOCAL_RANK": "1"})
    assert (result.code, result.out, result.err) == (2, "", "")


def test_resume__no_such_run(graft: Graft) -> None:
    result = graft("resume", "runs/nothing")
    assert result.code == 2
    assert "no such run" in result.err
