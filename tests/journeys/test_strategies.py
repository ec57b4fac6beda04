"""A user picks a strategy with one word, or lets Graft choose: through the command line, on pictures in a folder."""

from __future__ import annotations

import json
import tomllib
from pathlib import Path

import pytest

from graft.testing.commands import Graft, Result
from photos import write_photos

QUICK = ("train.epochs=3", "train.batch=8", "backbone.size=32", "evaluation.bootstrap=20")
STAGES = ("stem", "stage1", "stage2", "stage3", "stage4")
TRAINED = {
    "fixed": [set(), set(), set()],
    "partial": [{"stage4"}] * 3,
    "surgical": [{"stem", "stage1"}] * 3,
    "lp-ft": [set(), set(STAGES), set(STAGES)],
    "gradual": [set(), {"stage4"}, {"stage4", "stage3"}],
    "discriminative": [set(STAGES)] * 3,
    "full": [set(STAGES)] * 3,
}
"""Which stages train in each of three epochs."""


@pytest.fixture(scope="module")
def graft(tmp_path_factory: pytest.TempPathFactory) -> Graft:
    folder = tmp_path_factory.mktemp("strategies")
    write_photos(folder / "photos", per_class=12)
    return Graft(folder)


def trained(graft: Graft, name: str, *words: str) -> tuple[Result, Path]:
    result = graft("classify", "train", "photos", "--name", name, *words)
    assert result.code == 0, result.err
    return result, graft.folder / "runs" / name


def recipe(run: Path) -> dict:
    return tomllib.loads((run / "recipe.toml").read_text(encoding="utf-8"))


@pytest.mark.parametrize("preset", TRAINED)
def test_preset__trains_what_it_says(preset: str, graft: Graft, monkeypatch: pytest.MonkeyPatch) -> None:
    # Drawing the report takes longer than all the rest, and `auto` below has one.
    monkeypatch.setattr("graft.engine._finish.write_report", lambda run, material: run.path / "report.html")
    _, run = trained(graft, preset, *QUICK, f"strategy={preset}", "strategy.pace.schedule=constant")
    rows = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    assert [{stage for stage in STAGES if row[f"lr.{stage}"]} for row in rows] == TRAINED[preset]
    assert all(row["lr.head"] for row in rows)


def test_auto__everything_that_can_be_left_open_is_chosen_said_and_written_down(graft: Graft) -> None:
    words = ("strategy=auto", "train.batch=auto", "speed=auto", "train.budget=4s", *QUICK[2:])
    result, run = trained(graft, "auto", *words)
    choices = json.loads((run / "choices.json").read_text(encoding="utf-8"))
    assert [sentence.split()[0] for sentence in choices] == ["batch", "strategy", "speed", "a"]
    report = (run / "report.html").read_text(encoding="utf-8")
    for sentence in choices:
        assert f"Choice   {sentence}" in result.err
        assert sentence in report
    found = recipe(run)
    assert "auto" not in str(found["strategy"])
    assert isinstance(found["train"]["batch"], int)
    assert found["speed"]["mode"] == "given"
    assert found["train"]["budget"] == "4s"
    assert json.loads((run / "results.json").read_text())["metrics"]["test"]


def test_preset__of_a_plugin_of_one_file(graft: Graft) -> None:
    (graft.folder / "plugins.toml").write_text('[[local]]\npath = "careful.py"\n', encoding="utf-8")
    (graft.folder / "careful.py").write_text(
        "from graft.plugins import StrategySpec, hookimpl\n\n"
        "HOOK_API = 1\n\n\n"
        "@hookimpl\n"
        "def graft_strategies():\n"
        '    recipe = {"unfreeze": {"kind": "from", "stage": "stage3"}, "norm": "freeze"}\n'
        '    return [StrategySpec(name="careful", summary="The last two stages.", recipe=recipe)]\n',
        encoding="utf-8",
    )
    try:
        assert "careful" in graft("strategies", "list").out
        assert 'norm = "freeze"' in graft("strategies", "show", "careful").out
        _, run = trained(graft, "careful", *QUICK, "strategy=careful")
        assert recipe(run)["strategy"]["unfreeze"] == {"kind": "from", "stage": "stage3"}
    finally:
        (graft.folder / "plugins.toml").unlink()
