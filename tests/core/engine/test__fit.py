from __future__ import annotations

import json
import re
from typing import Any

import pytest
import torch

from graft.console import Console
from graft.engine.resume import resume
from graft.errors import TrainingError
from graft.model import Model
from graft.plugins import Plugins
from shades import Plain, Train


@pytest.fixture
def memory(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Let batches of more images than the last entry be too much for the memory; batches that were tried come first."""
    allowed = [10**9]
    forward = Model.forward

    def limited(self: Model, images: torch.Tensor) -> Any:
        if self.training and len(images) > allowed[-1]:
            raise torch.OutOfMemoryError(f"no memory for {len(images)} images")
        return forward(self, images)

    monkeypatch.setattr(Model, "forward", limited)
    return allowed


def test_fit__out_of_memory_is_as_if_smaller_batches_had_been_asked_for(train: Train, memory: list[int]) -> None:
    asked = train("train.batch=2", "train.accumulate=4", name="asked")
    memory.append(2)
    console = Console(quiet=True)
    halved = train("train.batch=8", name="halved", console=console)
    assert halved.results["weights_sha256"] == asked.results["weights_sha256"]
    assert halved.results["metrics"] == asked.results["metrics"]
    assert halved.recipe.recipe.train.batch == 2
    assert halved.recipe.recipe.train.accumulate == 4
    assert halved.choices == [
        "batch 4 × 2, because the memory did not suffice for 8",
        "batch 2 × 4, because the memory did not suffice for 4",
    ]
    assert [warning for warning in console.warnings if "memory" in warning] == halved.choices


def test_fit__out_of_memory_on_the_way_goes_on_from_the_last_epoch(
    train: Train, memory: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    from graft.engine._record import Recorder

    finish = Recorder.finish_epoch

    def shrink(self: Recorder, epoch: Any, learner: Any) -> bool:
        if epoch.number == 1:
            memory.append(4)
        return finish(self, epoch, learner)

    monkeypatch.setattr(Recorder, "finish_epoch", shrink)
    run = train("train.batch=8", "train.epochs=3")
    assert [row["epoch"] for row in run.history] == [1, 2, 3]
    assert run.recipe.recipe.train.batch == 4


def test_fit__an_odd_batch_keeps_its_size_in_sum(train: Train, memory: list[int]) -> None:
    memory.append(3)
    recipe = train("train.batch=9").recipe.recipe
    assert (recipe.train.batch, recipe.train.accumulate) == (3, 3)


def test_fit__one_image_too_much_says_what_helps(train: Train, memory: list[int]) -> None:
    memory.append(0)
    with pytest.raises(TrainingError, match="gradient_checkpointing"):
        train("train.batch=2")


def test_fit__a_halved_run_is_resumed_with_the_small_batch(
    train: Train, memory: list[int], plugins: Plugins, monkeypatch: pytest.MonkeyPatch
) -> None:
    memory.append(4)
    whole = train("train.batch=8", name="whole")
    run = train("train.batch=8", name="resumed")
    # As after a kill behind the last epoch.
    (run.path / "results.json").unlink()
    status = json.loads((run.path / "status.json").read_text())
    run.write("status.json", json.dumps({**status, "status": "interrupted"}))
    again = resume(run.path, plugins=plugins, console=Console(quiet=True))
    assert again.results["weights_sha256"] == whole.results["weights_sha256"]
    assert again.choices == whole.choices


def test_fit__budget_ends_training_within_an_epoch(train: Train) -> None:
    run = train("train.budget=2s", "train.batch=2")
    epochs = len(run.history)
    assert epochs > 3, "the budget stands in for the number of epochs"
    assert run.status == "finished"
    assert run.history[-1]["lr.head"] < 0.1 * run.history[0]["lr.head"], "the schedule came to its end"
    assert "2s" in run.choices[-1]


def test_fit__another_memory_format_keeps_the_names(train: Train) -> None:
    plain = train()
    names = list(torch.load(next(plain.checkpoints.glob("epoch-*/state.pt")), weights_only=True)["model"])
    other = train("speed.channels_last=true")
    again = list(torch.load(next(other.checkpoints.glob("epoch-*/state.pt")), weights_only=True)["model"])
    assert names == again


def test_fit__gradient_checkpointing_changes_nothing_but_memory(train: Train) -> None:
    assert train("train.gradient_checkpointing=true").results["weights_sha256"] == train().results["weights_sha256"]


def test_fit__what_a_head_took_before_training_is_said_and_kept(train: Train, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Plain, "prepare", lambda self, targets: {"begins with": targets[0], "share": 0.25})
    console = Console(quiet=True)
    run = train(console=console)
    (said,) = run.choices
    assert re.fullmatch(r"head plain: begins with [01], share 0\.25", said)
    assert f"Choice   {said}" in console.log
