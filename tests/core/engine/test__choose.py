"""What a recipe leaves open is chosen once, said with its reason, and written down."""

from __future__ import annotations

import time
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file

from graft.console import Console
from graft.engine._choose import deadline, make_choices
from graft.engine._setup import Experiment, set_up
from graft.plugins import Plugins
from graft.recipe import ResolvedRecipe, load_recipe
from graft.strategies import auto
from shades import Source, Train

Prepare = Callable[..., Experiment]


@pytest.fixture(scope="module")
def pretrained(tmp_path_factory: pytest.TempPathFactory) -> str:
    """An override that takes the weights of a file."""
    torch.manual_seed(5)
    path = tmp_path_factory.mktemp("weights") / "bits.safetensors"
    save_file(Source().build("bits").state_dict(), path)
    return f"backbone.weights={path}"


@pytest.fixture
def prepare(recipe: Callable[..., ResolvedRecipe], plugins: Plugins) -> Prepare:
    """Return an experiment whose choices are still to be made."""

    def prepared(*overrides: str) -> Experiment:
        return set_up(recipe(*overrides), plugins=plugins, console=Console(quiet=True))

    return prepared


def chosen(experiment: Experiment, *, seconds: float | None = None) -> Experiment:
    ends = None if seconds is None else time.monotonic() + seconds
    return make_choices(experiment, ends=ends, console=Console(quiet=True))


@pytest.fixture
def advice(monkeypatch: pytest.MonkeyPatch) -> list[auto.Situation]:
    """Have `auto` choose `gradual`, and return the situations that it is asked about."""
    asked: list[auto.Situation] = []

    def choose(situation: auto.Situation) -> tuple[str, str]:
        asked.append(situation)
        return "gradual", "gradual: for a reason"

    monkeypatch.setattr("graft.engine._choose.choose", choose)
    return asked


def test_make_choices__nothing_is_chosen_where_nothing_is_open(prepare: Prepare) -> None:
    experiment = prepare()
    assert chosen(experiment).choices == ()
    assert chosen(experiment).recipe == experiment.recipe


def test_auto__is_told_what_is_known(prepare: Prepare, pretrained: str, advice: list[auto.Situation]) -> None:
    experiment = prepare(pretrained, "strategy=auto")
    chosen(experiment)
    (situation,) = advice
    assert situation.per_class == len(experiment.prepared.split["train"]) / 2
    assert situation.pretrained
    assert situation.shift is not None
    assert situation.shift > 0
    assert situation.epochs_in_time is None


def test_auto__knows_how_many_epochs_a_budget_is_worth(
    prepare: Prepare, pretrained: str, advice: list[auto.Situation]
) -> None:
    experiment = prepare(pretrained, "strategy=auto", "train.budget=1h")
    chosen(experiment, seconds=1e-6)
    chosen(experiment, seconds=1e6)
    assert [situation.epochs_in_time for situation in advice] == [1, 1000]


def test_auto__becomes_the_preset_under_what_the_recipe_says_itself(
    prepare: Prepare, pretrained: str, advice: list[auto.Situation]
) -> None:
    experiment = chosen(prepare(pretrained, "strategy=auto", "strategy.pace.lr=0.05"))
    strategy = experiment.recipe.strategy
    assert strategy.unfreeze.kind == "gradual"
    assert strategy.pace.layer_decay == 0.4, "the preset's"
    assert strategy.pace.lr == 0.05, "the recipe's"
    assert experiment.choices == ("strategy gradual: for a reason",)
    own = chosen(prepare(pretrained, "strategy=auto", "strategy.pace.layer_decay=0.9"))
    assert own.recipe.strategy.pace.layer_decay == 0.9


def test_auto__leaves_the_model_as_it_is(prepare: Prepare, pretrained: str) -> None:
    experiment = prepare(pretrained, "strategy=auto", "train.budget=1h")
    before = {name: tensor.clone() for name, tensor in experiment.model.state_dict().items()}
    chosen(experiment, seconds=5)
    assert all(torch.equal(before[name], tensor) for name, tensor in experiment.model.state_dict().items())


def test_auto__a_run_says_what_it_did_and_does_it_again(
    train: Train, pretrained: str, plugins: Plugins, advice: list[Any]
) -> None:
    console = Console(quiet=True)
    run = train(pretrained, "strategy=auto", console=console)
    assert any("gradual: for a reason" in line for line in console.log)
    assert run.choices == ["strategy gradual: for a reason"]
    written = tomllib.loads((run.path / "recipe.toml").read_text())
    assert written["strategy"]["unfreeze"] == {"kind": "gradual", "every": 1}
    assert "auto" not in str(written["strategy"])
    explicit = train(pretrained, "strategy=gradual")
    assert explicit.results["weights_sha256"] == run.results["weights_sha256"]
    again = load_recipe(run.path / "recipe.toml", plugins=plugins)
    assert again.recipe.strategy.unfreeze.kind == "gradual"


@pytest.mark.parametrize(("batch", "norm"), [(4, "freeze"), (16, "follow")])
def test_norm__auto_is_replaced_by_what_suits_the_batch(
    prepare: Prepare, pretrained: str, batch: int, norm: str
) -> None:
    found = chosen(prepare(pretrained, "strategy.norm=auto", f"train.batch={batch}"))
    assert found.recipe.strategy.norm == norm
    assert found.choices[0].startswith("norms ")
    assert chosen(prepare("strategy.norm=auto", f"train.batch={batch}")).recipe.strategy.norm == "follow"


def test_budget__stands_in_for_the_epochs(prepare: Prepare) -> None:
    experiment = prepare("train.budget=90s")
    found = chosen(experiment, seconds=2.0)
    assert 1 <= found.recipe.train.epochs < 1000
    (sentence,) = found.choices
    epochs = found.recipe.train.epochs
    assert sentence == f"a schedule over 2 s, what 90s leave for training: about {epochs} epochs here"


def test_deadline__counts_from_the_command_without_what_was_used_up(prepare: Prepare) -> None:
    assert deadline(prepare(), began=100.0) is None
    experiment = prepare("train.budget=90s")
    assert deadline(experiment, began=100.0) == 190.0 - 5.0, "the report takes its time"
    assert deadline(experiment, began=100.0, spent=60.0) == 130.0 - 5.0
    assert deadline(prepare("train.budget=10s"), began=100.0) == 110.0 - 1.0


def test_batch__auto_is_replaced_before_anything_else(prepare: Prepare, tmp_path: Path) -> None:
    found = chosen(prepare("train.batch=auto"))
    assert isinstance(found.recipe.train.batch, int)
    assert found.choices[0].startswith(f"batch {found.batch}")
