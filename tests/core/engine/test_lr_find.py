from __future__ import annotations

import signal
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file

from graft.console import Console
from graft.data.batch import Batch
from graft.engine import lr_find
from graft.engine._setup import Experiment
from graft.engine.lr_find import Found, find_learning_rate
from graft.errors import DataError, InterruptedRun, RecipeError, TrainingError
from graft.model import Model
from graft.plugins import Plugins
from graft.recipe import ResolvedRecipe
from graft.strategies.lr_range import rising
from shades import Plain, Source, Train

Find = Callable[..., Found]


@pytest.fixture
def find(
    plugins: Plugins, recipe: Callable[..., ResolvedRecipe], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Find:
    """Find a learning rate, in an empty working folder: `find("train.batch=8", steps=40)`."""
    monkeypatch.chdir(tmp_path)

    def found(*overrides: str, steps: int = 100) -> Found:
        return find_learning_rate(recipe(*overrides), plugins=plugins, steps=steps, console=Console(quiet=True))

    return found


@pytest.fixture
def experiments(monkeypatch: pytest.MonkeyPatch) -> list[Experiment]:
    """The experiments that are tried, in order; their models stay as they were left."""
    built: list[Experiment] = []
    set_up = lr_find.set_up

    def kept(*args: Any, **kwargs: Any) -> Experiment:
        built.append(set_up(*args, **kwargs))
        return built[-1]

    monkeypatch.setattr(lr_find, "set_up", kept)
    return built


@pytest.mark.parametrize("optimizer", ["adamw", "sgd"])
def test_find__learns_where_lower_rates_do_not_move_and_higher_ones_diverge(
    find: Find, train: Train, optimizer: str
) -> None:
    chosen = f"strategy.pace.optimizer={optimizer}"
    found = find(chosen)
    assert found.diverged
    rate = found.suggestions["valley"]
    assert rate < found.rates[-1]

    def last_loss(lr: float) -> float:
        return float(
            train(chosen, "strategy.pace.schedule=constant", f"strategy.pace.lr={lr}").history[-1]["train.loss"]
        )

    assert last_loss(rate) < 0.8 * min(last_loss(rate / 1000), last_loss(found.rates[-1]))


def test_find__twice_the_same_whatever_was_drawn_before(find: Find) -> None:
    torch.manual_seed(5)
    first = find()
    torch.rand(7)
    assert find() == first
    assert find("train.workers=2") == first
    assert find("train.seed=1").losses != first.losses


def test_find__writes_nothing_and_leaves_the_callers_random_state_alone(find: Find, tmp_path: Path) -> None:
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    find(steps=20)
    assert torch.equal(torch.rand(3), expected)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("strategy", ["none", "head-then-all", "gradual"])
def test_find__freezes_what_the_first_epoch_freezes(find: Find, experiments: list[Experiment], strategy: str) -> None:
    find(f"strategy.unfreeze={strategy}", steps=20)
    found = find(f"strategy.unfreeze={strategy}", steps=40)
    assert not found.diverged
    assert len(found.losses) == 40
    assert [int(experiment.model.head.seen) for experiment in experiments] == [16, 16], "heads are prepared, once"
    short, long = (experiment.model.state_dict() for experiment in experiments)
    for name, tensor in short.items():
        assert torch.equal(tensor, long[name]) is not name.startswith("head.linear"), name


def test_find__every_unit_has_the_rate_that_training_would_give_it(find: Find, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[dict[str, float]] = []
    build = lr_find.build_optimizer

    def watched(*args: Any, **kwargs: Any) -> torch.optim.Optimizer:
        optimizer = build(*args, **kwargs)
        optimizer.register_step_pre_hook(
            lambda optimizer, *_: seen.append({group["unit"]: group["lr"] for group in optimizer.param_groups})
        )
        return optimizer

    monkeypatch.setattr(lr_find, "build_optimizer", watched)
    found = find("strategy.pace={lr=0.5, head=3, layer_decay=0.5, rates={tail=0.01}}", steps=30)
    assert found.rates == rising(30)[: len(found.rates)]
    assert len(seen) == len(found.rates) - found.diverged
    for rates, base in zip(seen, found.rates, strict=False):
        assert rates == pytest.approx({"stem": base / 2, "stage1": base, "tail": 0.01, "head": 3 * base})


def test_find__epoch_after_epoch_in_another_order(find: Find, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[list[int]] = []
    loss = lr_find.training_loss

    def watched(model: Model, batch: Batch, *args: Any) -> torch.Tensor:
        seen.append(batch.indices.tolist())
        return loss(model, batch, *args)

    monkeypatch.setattr(lr_find, "training_loss", watched)
    find(steps=20)
    first, second = seen[:4], seen[4:8]
    assert len({index for batch in first for index in batch}) == 16
    assert len({index for batch in second for index in batch}) == 16
    assert first != second


def test_find__accumulated_batches_equal_a_larger_one(find: Find, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.nn.Dropout, "forward", lambda self, x: x)
    fixed = ("strategy=fixed", "augment=none")
    large = find(*fixed, "train.batch=4")
    small = find(*fixed, "train.batch=2", "train.accumulate=2")
    assert small.losses == pytest.approx(large.losses, rel=1e-3)


@pytest.mark.parametrize(
    "override",
    [
        "strategy.regularise.weight_decay=0.5",
        "strategy.regularise.l2_sp=5.0",
        "strategy.norm=freeze",
        "strategy.pace.optimizer=lion",
        "train.clip=0.01",
        "train.precision=bf16",
    ],
)
def test_find__trains_as_the_recipe_says(find: Find, tmp_path: Path, override: str) -> None:
    torch.manual_seed(5)
    weights = tmp_path / "bits.safetensors"
    save_file(Source().build("bits").state_dict(), weights)
    base = (f"backbone.weights={weights}", "strategy.regularise.l2_sp=0.1")
    assert find(*base, override).losses != find(*base).losses


def test_find__fp16_takes_the_steps_of_fp32(find: Find, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = find("strategy.pace.optimizer=sgd")
    set_up = lr_find.set_up
    # A recipe may ask for it on a GPU alone.
    monkeypatch.setattr(lr_find, "set_up", lambda *args, **kwargs: replace(set_up(*args, **kwargs), precision="fp16"))
    half = find("strategy.pace.optimizer=sgd")
    assert half.losses != whole.losses
    assert half.losses[:60] == pytest.approx(whole.losses[:60], rel=0.05)
    assert half.suggestions["valley"] == pytest.approx(whole.suggestions["valley"], rel=0.5)


def test_find__loss_that_is_not_finite(find: Find, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Plain, "loss", lambda self, outputs, targets: {"loss": outputs.sum() * float("nan")})
    found = find()
    assert (len(found.rates), len(found.losses)) == (1, 1)
    assert found.diverged
    assert found.suggestions == {}


def test_find__base_rate_that_acts_on_nothing(find: Find) -> None:
    with pytest.raises(RecipeError, match="no rate to find"):
        find("strategy=fixed", "strategy.pace.rates={head=0.1}")
    assert find("strategy=fixed", "strategy.pace.rates={stem=0.1}", steps=20).losses


def test_find__data_that_is_not_there(find: Find, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="nowhere"):
        find(f"data.train={tmp_path / 'nowhere'}")


def test_find__out_of_memory(find: Find, monkeypatch: pytest.MonkeyPatch) -> None:
    def loss(*_: Any) -> Any:
        raise torch.OutOfMemoryError("CUDA out of memory")

    monkeypatch.setattr(lr_find, "training_loss", loss)
    with pytest.raises(TrainingError, match="with 4 images per batch") as error:
        find()
    assert "train.accumulate" in str(error.value.fix)


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_find__interrupted(find: Find, monkeypatch: pytest.MonkeyPatch, number: int, code: int) -> None:
    loss = lr_find.training_loss

    def struck(*args: Any) -> Any:
        signal.raise_signal(number)
        return loss(*args)

    monkeypatch.setattr(lr_find, "training_loss", struck)
    with pytest.raises(InterruptedRun, match="nothing was written") as error:
        find()
    assert error.value.exit_code == code
