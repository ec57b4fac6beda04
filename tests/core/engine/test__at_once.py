from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from graft.console import Console
from graft.engine import _at_once
from graft.engine._crew import Crew
from graft.engine._place import Place
from graft.engine._setup import set_up
from graft.engine._signals import Stopped, Stopper
from graft.engine.lr_find import find_learning_rate
from graft.engine.resume import resume
from graft.engine.train import dry_run
from graft.errors import InterruptedRun, RecipeError, TrainingError
from graft.model import Model
from graft.plugins import Plugins
from graft.recipe import ResolvedRecipe
from graft.runs.bundle import load_bundle
from graft.runs.folder import Run
from graft.runs.measure import measure_run
from shades import Nearest, Train

NEAREST = ("head.kind=nearest", "train.epochs=1")

Recipe = Callable[..., ResolvedRecipe]


def test_train__one_epoch_with_all_that_follows(train: Train, plugins: Plugins) -> None:
    console = Console(quiet=True)
    run = train(*NEAREST, console=console)
    (row,) = run.history
    assert set(row) >= {"epoch", "train.loss", "val.loss", "val.hits", "seconds"}
    assert row["train.loss"] < 0.01
    assert run.status == "finished"
    assert run.results["best_epoch"] == 1
    assert run.choices == ["head nearest: pictures 16"]
    assert "Choice   head nearest: pictures 16" in console.log
    assert any(line.startswith("Plan     fit nearest at once to 16 images, described once") for line in console.log)
    bundle = load_bundle(run.path, plugins=plugins)
    assert len(bundle.model.head.kept) == 16
    values = measure_run(run, plugins=plugins, console=console)
    assert values["hits"].value == run.results["metrics"]["test"]["hits"]["value"]


def test_train__what_is_described_is_what_prediction_sees(train: Train, plugins: Plugins, recipe: Recipe) -> None:
    run = train(*NEAREST)
    head = load_bundle(run.path, plugins=plugins).model.head
    experiment = set_up(run.recipe, plugins=plugins, console=Console(quiet=True))
    model = experiment.model.eval()
    model.load_state_dict({**load_bundle(run.path, plugins=plugins).model.state_dict()})
    images = torch.cat([batch.images for batch in experiment.loader("train")])  # type: ignore[misc]
    with torch.inference_mode():
        embedding = model.features(images).embedding
    torch.testing.assert_close(head.kept, embedding)


def test_train__describes_images_once_whatever_is_fitted(train: Train, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GRAFT_HOME", str(train("cache.limit=0", *NEAREST).path / "home"))
    calculated: list[int] = []
    real = Model.prefix

    def prefix(self: Model, images: torch.Tensor, upto: int) -> tuple[torch.Tensor, ...]:
        calculated.append(len(images))
        return real(self, images, upto)

    monkeypatch.setattr(Model, "prefix", prefix)
    first = train(*NEAREST)
    assert calculated
    calculated.clear()
    second = train(*NEAREST)
    assert not calculated
    without = train(*NEAREST, "cache.limit=0")
    assert calculated
    assert len({run.results["weights_sha256"] for run in (first, second, without)}) == 1


def test_train__the_network_stays_equal_to_the_last_bit(train: Train, plugins: Plugins, recipe: Recipe) -> None:
    before = set_up(recipe(*NEAREST), plugins=plugins, console=Console(quiet=True)).model.backbone.state_dict()
    after = load_bundle(train(*NEAREST).path, plugins=plugins).model.backbone.state_dict()
    assert all(torch.equal(after[name], tensor) for name, tensor in before.items())


def test_train__same_seed_same_weights(train: Train) -> None:
    digests = [train(*NEAREST, seed).results["weights_sha256"] for seed in ("train.seed=1", "train.seed=1")]
    assert len(set(digests)) == 1


def test_resume__an_interrupted_fit_begins_again(
    train: Train, plugins: Plugins, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = train(*NEAREST, name="whole")
    fit = Nearest.fit

    def stop(*args: object, **kwargs: object) -> None:
        raise Stopped(terminated=False)

    monkeypatch.setattr(Nearest, "fit", stop)
    with pytest.raises(InterruptedRun):
        train(*NEAREST, name="cut")
    monkeypatch.setattr(Nearest, "fit", fit)
    cut = whole.path.parent / "cut"
    assert Run.open(cut, plugins=plugins).status == "interrupted"
    run = resume(cut, plugins=plugins, console=Console(quiet=True))
    assert run.results["weights_sha256"] == whole.results["weights_sha256"]
    assert run.choices == whole.choices


def test_resume__after_the_epoch_only_finishes(
    train: Train, plugins: Plugins, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patched:
        patched.setattr("graft.engine._work.finish", lambda *_, **__: (_ for _ in ()).throw(Stopped(terminated=False)))
        with pytest.raises(InterruptedRun):
            train(*NEAREST, name="cut")
    monkeypatch.setattr(Nearest, "fit", lambda *_, **__: pytest.fail("it is fitted already"))
    run = resume(tmp_path / "cut", plugins=plugins, console=Console(quiet=True))
    assert run.status == "finished"
    assert len(run.history) == 1


def test_described__asks_at_each_batch_whether_to_stop(plugins: Plugins, recipe: Recipe) -> None:
    experiment = set_up(recipe(*NEAREST), plugins=plugins, console=Console(quiet=True))

    class Asked(Stopper):
        asked = 0

        def check(self) -> None:
            self.asked += 1

    stopper = Asked()
    assert _at_once.described(experiment, Console(quiet=True), stopper).shape == (16, 6)
    assert stopper.asked == 4


def test_described__numbers_that_are_not_finite_name_the_images(plugins: Plugins, recipe: Recipe) -> None:
    experiment = set_up(recipe(*NEAREST), plugins=plugins, console=Console(quiet=True))
    linear = experiment.model.backbone.tail[2]
    linear.bias.data[0] = float("nan")
    with pytest.raises(TrainingError, match="not finite") as caught:
        _at_once.described(experiment, Console(quiet=True), Stopper())
    assert caught.value.problems[0].where == experiment.samples("train")[0].id
    assert len(caught.value.problems) == 16


def test_dry_run__fits_two_batches(plugins: Plugins, recipe: Recipe) -> None:
    assert dry_run(recipe(*NEAREST), plugins=plugins, console=Console(quiet=True)).seconds > 0


def test_lr_find__says_that_there_is_nothing_to_find(plugins: Plugins, recipe: Recipe) -> None:
    with pytest.raises(RecipeError, match="no rate to find"):
        find_learning_rate(recipe(*NEAREST), plugins=plugins, steps=10, console=Console(quiet=True))


def test_crew__several_processes_are_refused(plugins: Plugins, recipe: Recipe) -> None:
    experiment = set_up(recipe(*NEAREST), plugins=plugins, console=Console(quiet=True))
    place = Place(rank=0, size=2, local_rank=0, local_size=2, address="127.0.0.1", port=1)
    with pytest.raises(RecipeError, match="2 processes cannot"):
        Crew(place, Stopper()).divided(experiment)


def test_out_of_memory__goes_on_with_smaller_batches(train: Train, monkeypatch: pytest.MonkeyPatch) -> None:
    described = _at_once.described

    def small(experiment, console, stopper):
        if experiment.batch > 2:
            raise torch.OutOfMemoryError("too much")
        return described(experiment, console, stopper)

    monkeypatch.setattr(_at_once, "described", small)
    run = train(*NEAREST)
    assert run.recipe.recipe.train.batch == 2
    assert json.loads((run.path / "choices.json").read_text())[-1].startswith("head nearest")
