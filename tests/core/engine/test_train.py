from __future__ import annotations

import csv
import json
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from graft.console import Console
from graft.engine._checkpoint import Checkpoints
from graft.engine._module import Learner
from graft.engine.train import dry_run
from graft.errors import DataError, RecipeError, RunError, TrainingError
from graft.plugins import Plugins
from graft.recipe import ResolvedRecipe
from graft.runs.folder import Run
from shades import Plain, Train


def test_train__leaves_everything_that_repeats_it(train: Train, pictures: Path) -> None:
    console = Console(quiet=True)
    run = train("data.split.test=0.25", console=console)
    assert run.status == "finished"
    assert len(run.history) == 3
    assert {"epoch", "train.loss", "val.loss", "val.hits", "lr.head", "lr.stem", "seconds", "images_per_second"} <= set(
        run.history[0]
    )
    values = run.results["metrics"]["test"]["hits"]
    assert values["low"] <= values["value"] <= values["high"]
    assert run.results["metrics"]["val"]["hits"]["low"] is None, "validation chose the epoch"
    assert run.results["baseline"]["test"]["hits"]["value"] == 0.5
    assert len(run.results["weights_sha256"]) == 64
    rows = list(csv.DictReader((run.path / "split.csv").open()))
    assert len(rows) == 24
    assert {row["target"] for row in rows} == {"dark", "light"}
    assert run.recipe.recipe.data.train == str(pictures)
    environment = json.loads((run.path / "environment.json").read_text())
    assert environment["versions"]["torch"] == torch.__version__.split("+")[0]
    assert environment["plugins"]["shades"] == "1"
    assert not list(run.path.rglob(".tmp-*"))
    assert not list(run.path.rglob("lightning_logs"))
    assert "Epoch    3/3" in (run.path / "log.txt").read_text()
    assert console.warnings == []


def test_train__twice_the_same_weights_whatever_was_drawn_before(train: Train) -> None:
    torch.manual_seed(5)
    first = train()
    torch.manual_seed(6)
    torch.rand(7)
    assert train().results["weights_sha256"] == first.results["weights_sha256"]
    assert train("train.seed=1").results["weights_sha256"] != first.results["weights_sha256"]


def test_train__loading_in_other_processes_changes_nothing(train: Train) -> None:
    assert train("train.workers=2").results["weights_sha256"] == train().results["weights_sha256"]


def test_train__leaves_the_callers_random_state_alone(train: Train) -> None:
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    train()
    assert torch.equal(torch.rand(3), expected)


def test_train__fixed_backbone_is_equal_to_the_last_bit(train: Train) -> None:
    start, end = _weights(train("strategy=fixed", "train.epochs=1")), _weights(train("strategy=fixed"))
    backbone = [name for name in start if name.startswith("backbone.")]
    assert any("running_mean" in name for name in backbone)
    assert any("num_batches_tracked" in name for name in backbone)
    for name in backbone:
        assert torch.equal(start[name], end[name]), name
        if "running_mean" in name:
            assert not end[name].any(), "as it was before training"
    assert not torch.equal(start["head.linear.weight"], end["head.linear.weight"])


def test_train__full_changes_every_unit(train: Train) -> None:
    start, end = _weights(train("train.epochs=1")), _weights(train())
    for name in (
        "backbone.stages.0.0.weight",
        "backbone.stages.1.0.weight",
        "backbone.tail.2.weight",
        "head.linear.bias",
    ):
        assert not torch.equal(start[name], end[name]), name


def test_train__accumulated_batches_equal_a_larger_one(train: Train) -> None:
    # Norms and dropout see a batch at a time, so the backbone is frozen and the head's dropout is taken out.
    fixed = ("strategy=fixed", "train.epochs=2", "augment=none")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(torch.nn.Dropout, "forward", lambda self, x: x)
        large = _last(train(*fixed, "train.batch=4"))
        small = _last(train(*fixed, "train.batch=2", "train.accumulate=2"))
    for name, tensor in large.model.items():
        torch.testing.assert_close(small.model[name], tensor, atol=1e-6, rtol=0, msg=name)


def test_train__last_step_of_an_epoch_averages_over_the_batches_that_it_has(train: Train) -> None:
    gradients: list[torch.Tensor] = []

    def keep(self: Learner, optimizer: torch.optim.Optimizer) -> None:
        gradients.append(self.model.head.linear.weight.grad.clone())

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(torch.nn.Dropout, "forward", lambda self, x: x)
        patch.setattr(Learner, "on_before_optimizer_step", keep)
        for batches in ("train.batch=16", "train.batch=4", "train.batch=2"):
            train("strategy=fixed", "train.epochs=1", "augment=none", batches, "train.accumulate=9")
    assert len(gradients) == 3
    torch.testing.assert_close(gradients[1], gradients[0], atol=1e-6, rtol=0)
    torch.testing.assert_close(gradients[2], gradients[0], atol=1e-6, rtol=0)


def test_train__rates_of_each_unit_follow_the_schedule(train: Train) -> None:
    pace = ("strategy.pace.lr=1e-3", "strategy.pace.head=5", "strategy.pace.warmup=0.25", "train.epochs=4")
    run = train(*pace)
    # 16 steps of 4 an epoch, 4 of them warm-up; each row shows the last step of its epoch.
    cosine = [0.5 * (1 + torch.cos(torch.tensor(torch.pi * step / 12)).item()) for step in (3, 7, 11)]
    for row, scale in zip(run.history, [1.0, *cosine], strict=True):
        assert row["lr.stem"] == row["lr.stage1"] == row["lr.tail"] == pytest.approx(1e-3 * scale)
        assert row["lr.head"] == pytest.approx(5e-3 * scale)


def test_train__records_that_what_is_frozen_has_no_rate(train: Train) -> None:
    row = train("strategy=fixed", "train.epochs=1").history[0]
    assert row["lr.stem"] == row["lr.tail"] == 0
    assert row["lr.head"] > 0


def test_train__stops_when_patience_is_out(train: Train) -> None:
    run = train("train.patience=2", "train.epochs=30", "strategy.pace.lr=1e-9")
    assert len(run.history) == 3
    assert run.results["best_epoch"] == 1


def test_train__keeps_the_last_epoch_where_that_is_asked_for(train: Train) -> None:
    run = train("train.keep=last", "train.epochs=3", "strategy.pace.lr=1e-9")
    assert run.results["best_epoch"] == 3
    monitored = {row[f"val.{run.results['monitor']}"] for row in run.history}
    assert len(monitored) == 1, "the first of equals would be kept otherwise"
    assert not [warning for warning in run.results["warnings"] if "last epoch" in warning]


def test_train__without_validation_keeps_the_last_epoch_and_says_so(train: Train) -> None:
    console = Console(quiet=True)
    run = train("data.split.val=0", console=console)
    assert run.results["best_epoch"] == 3
    assert "val.loss" not in run.history[0]
    assert any("no validation split" in warning for warning in console.warnings)


def test_train__too_few_groups_for_intervals_are_said(train: Train) -> None:
    console = Console(quiet=True)
    run = train("data.group='(\\d)\\.png'", "data.split.by=group", console=console)
    assert run.results["metrics"]["test"]["hits"]["low"] is None
    assert console.warnings == ["the test images are of 2 groups: intervals need 5 of them"]


def test_train__loss_that_is_not_finite_names_epoch_batch_and_files(
    train: Train, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls = 0
    sound = Plain.loss

    def loss(self: Plain, outputs: torch.Tensor, targets: torch.Tensor) -> dict[str, torch.Tensor]:
        nonlocal calls
        calls += 1
        return {"cross_entropy": sound(self, outputs, targets)["cross_entropy"] * (float("nan") if calls == 3 else 1)}

    monkeypatch.setattr(Plain, "loss", loss)
    with pytest.raises(TrainingError, match=r"nan in epoch 1, batch 3 of 4; its images: .*(dark|light)\d\d\.png"):
        train(name="spoilt")
    run = Run.open(tmp_path / "spoilt")
    assert run.status == "failed"
    assert "epoch 1, batch 3" in (run.path / "log.txt").read_text()


def test_train__errors_leave_no_folder(train: Train, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(RecipeError, match=r"(?s)hitz.*did you mean 'hits'"):
        train("train.monitor=hitz")
    with pytest.raises(DataError):
        train("data.train=nowhere")
    with pytest.raises(RecipeError, match="fp16"):
        train("train.precision=fp16", "train.device=cpu")
    assert list(tmp_path.iterdir()) == []


def test_train__never_overwrites(train: Train) -> None:
    first = train(name="one")
    before = {path: path.read_bytes() for path in first.path.rglob("*") if path.is_file()}
    with pytest.raises(RunError, match="never overwritten"):
        train(name="one")
    assert {path: path.read_bytes() for path in first.path.rglob("*") if path.is_file()} == before


def test_train__bf16_on_the_cpu(train: Train) -> None:
    assert train("train.precision=bf16", "train.epochs=1").status == "finished"


def test_dry_run__trains_two_batches_and_writes_nothing(
    plugins: Plugins, recipe: Callable[..., ResolvedRecipe], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "tmp"))
    (tmp_path / "tmp").mkdir()
    found = dry_run(recipe(), plugins=plugins, console=Console(quiet=True))
    assert found.seconds > 0
    assert found.bytes > 1000
    assert [path for path in tmp_path.rglob("*") if path != tmp_path / "tmp"] == []


def _weights(run: Run) -> dict[str, torch.Tensor]:
    return _last(run).model


def _last(run: Run):
    return Checkpoints(run.checkpoints).resume_from(pytest.fail)
