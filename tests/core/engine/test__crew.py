"""The leader starts the others, trains as one process would, and says what became of them."""

from __future__ import annotations

import dataclasses
import importlib
import json
import os
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from crews import Forked, descendants, fork_followers, until
from forks import Child, fork
from graft.console import Console
from graft.engine import _crew, _follow
from graft.engine._place import Place
from graft.engine.resume import resume
from graft.engine.train import train as train_recipe
from graft.errors import GraftError
from graft.plugins import Plugins
from graft.recipe import ResolvedRecipe, load_recipe
from graft.runs.folder import Run
from shades import write_shades
from tones import tones_plugins

TONES = {
    "task.kind": "tones",
    "backbone.kind": "blocks:two",
    "backbone.weights": "none",
    # Nothing in it looks at the other images of a batch: its norms keep their statistics, and it drops nothing out.
    "strategy.norm": "freeze",
    "augment": "flip",
    "data.split.val": 0.2,
    "train.epochs": 4,
    "evaluation.bootstrap": 0,
}


@dataclasses.dataclass
class Begun:
    """A run that was begun in a process of its own."""

    child: Child
    path: Path
    message: Path

    def wait(self) -> tuple[int, str]:
        """Return the exit code and what went wrong."""
        code = self.child.wait()
        return code, self.message.read_text() if self.message.exists() else ""


Begin = Callable[..., Begun]


@pytest.fixture(scope="module")
def tones() -> Plugins:
    return tones_plugins()


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = write_shades(tmp_path_factory.mktemp("tones") / "pictures", per_class=20)
    for number in range(5):
        (root / "light" / f"light{number:02}.png").unlink()
    return root


@pytest.fixture
def begin(tones: Plugins, pictures: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Begin:
    """Begin a run, or go on with one, in a process of its own and those that it starts."""
    fork_followers(monkeypatch, tones)

    def begin(*overrides: str, name: str = "run", going_on: bool = False) -> Begun:
        base = {**TONES, "data.train": str(pictures)}
        resolved: ResolvedRecipe = load_recipe(None, base=base, overrides=overrides, plugins=tones)
        message = tmp_path / f"{name}.message"
        message.unlink(missing_ok=True)

        def work() -> int:
            try:
                if going_on:
                    resume(tmp_path / name, plugins=tones, console=Console(quiet=True))
                else:
                    train_recipe(resolved, plugins=tones, out=tmp_path, name=name, console=Console(quiet=True))
            except GraftError as error:
                message.write_text(str(error))
                return error.exit_code
            return 0

        return Begun(fork(work), tmp_path / name, message)

    return begin


@pytest.fixture
def finished(begin: Begin) -> Callable[..., Run]:
    def finished(*overrides: str, name: str, going_on: bool = False) -> Run:
        begun = begin(*overrides, name=name, going_on=going_on)
        assert begun.wait() == (0, "")
        return Run.open(begun.path)

    return finished


@pytest.fixture(scope="module", autouse=True)
def _imported() -> None:
    """Import here, once, what else each process would import."""
    for name in ("albumentations", "graft.engine._finish"):
        importlib.import_module(name)


def rows(run: Run) -> list[dict[str, Any]]:
    return [{key: v for key, v in row.items() if key not in ("seconds", "images_per_second")} for row in run.history]


def weights(run: Run) -> dict[str, torch.Tensor]:
    (state,) = run.checkpoints.glob(f"epoch-{len(run.history):04}/state.pt")
    return torch.load(state, weights_only=True)["model"]


ADDED = ("strategy.regularise.ema=0.9", "strategy.regularise.sampling=balanced", "strategy.pace.optimizer=sgd")


@pytest.mark.parametrize(
    ("processes", "each", "whole", "overrides"),
    [
        (2, 4, 8, ()),
        (2, 4, 8, ("augment=none", "strategy.unfreeze={kind='gradual', every=1}")),
        (2, 2, 4, ("train.accumulate=2",)),
        (3, 2, 6, ADDED),
        (3, 32, 96, ()),
    ],
    ids=["augmented", "gradual", "accumulated", "three", "one-batch-of-uneven-shares"],
)
def test_together__as_one_process_with_as_many_images_per_step(
    processes: int, each: int, whole: int, overrides: tuple[str, ...], finished: Callable[..., Run]
) -> None:
    one = finished(*overrides, f"train.batch={whole}", name="one")
    more = finished(*overrides, f"train.batch={each}", f"train.devices={processes}", name="more")
    counts = [line.split(",")[1] for line in (one.path / "split.csv").read_text().splitlines()]
    assert counts.count("val") % 2 == 1, "uneven shares of the validation samples"
    assert counts.count("train") % processes, "and of the training samples"
    expected = rows(one)
    assert len(expected) == 4
    assert len({row["val.loss"] for row in expected}) == 4, "something is learned"
    assert rows(more) == [pytest.approx(row, abs=1e-5) for row in expected]
    for name, tensor in weights(one).items():
        assert torch.allclose(weights(more)[name], tensor, atol=1e-5), name
    final = more.results["metrics"]["test"]["share"]["value"]
    assert final == pytest.approx(one.results["metrics"]["test"]["share"]["value"])
    environment = json.loads((more.path / "environment.json").read_text())
    assert environment["processes"] == processes


def test_together__a_budget_is_the_leaders(finished: Callable[..., Run]) -> None:
    began = time.monotonic()
    run = finished("train.budget=5s", "train.batch=4", "train.devices=2", name="budget")
    assert time.monotonic() - began < 15
    assert run.status == "finished"
    assert run.history[-1]["lr.head"] < 0.2 * run.history[0]["lr.head"], "the schedule came to its end"


def test_together__norms_and_draws_of_their_own_and_one_set_of_statistics(finished: Callable[..., Run]) -> None:
    words = ("strategy.norm=train", "train.batch=4", "train.devices=2")
    first, again = finished(*words, name="first"), finished(*words, name="again")
    assert first.results["weights_sha256"] == again.results["weights_sha256"]


def test_together__more_processes_than_validation_samples(finished: Callable[..., Run]) -> None:
    words = ("train.batch=2", "data.split.val=0.06", "train.epochs=1")
    one = finished(*words, name="one")
    more = finished(*words, "train.batch=1", "train.devices=3", name="more")
    split = (more.path / "split.csv").read_text()
    assert split.count(",val,") < 3
    assert "val.loss" in one.history[0]
    assert more.history[0].keys() == one.history[0].keys()


def test_refused__more_devices_than_images(begin: Begin) -> None:
    code, message = begin("train.devices=200").wait()
    assert code == 2
    assert "images cannot be shared by 200 devices" in message


def test_refused__more_devices_than_there_are(begin: Begin, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_crew, "_devices", lambda kind: 1)
    begun = begin("train.devices=2")
    code, message = begun.wait()
    assert code == 2
    assert "train.devices: 2 of the kind 'cpu', and there is 1" in message
    assert not begun.path.exists()


def test_resume__needs_as_many_processes(finished: Callable[..., Run], begin: Begin) -> None:
    run = finished("train.batch=4", "train.devices=2", name="run")
    run.mark("interrupted")
    environment = json.loads((run.path / "environment.json").read_text())
    (run.path / "environment.json").write_text(json.dumps({**environment, "processes": 4}))
    code, message = begin(name="run", going_on=True).wait()
    assert code == 2
    assert "began with 4 processes, and 2 would go on" in message


def test_fate__what_goes_wrong_in_another_is_said_as_it_says_it(begin: Begin, monkeypatch: pytest.MonkeyPatch) -> None:
    from graft.engine import _module

    leader, loss, calls = os.getpid(), _module.training_loss, []

    def failing(*arguments: Any) -> torch.Tensor:
        calls.append(1)
        follows = os.getppid() != leader
        return loss(*arguments) * (float("nan") if follows and len(calls) == 4 else 1)

    monkeypatch.setattr(_module, "training_loss", failing)
    begun = begin("train.batch=4", "train.devices=2")
    code, message = begun.wait()
    assert code == 1
    assert message.startswith("rank 1 of 2: the loss is nan in epoch 2, batch 2 of 2; its images: ")
    assert "; 1 epochs of" in message
    assert "lower strategy.pace.lr" in message
    assert Run.open(begun.path).status == "failed"


def test_fate__another_that_ends_before_it_begins(begin: Begin, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken() -> None:
        os.write(2, b"Traceback ...\nImportError: no module named 'torch'\n")
        raise SystemExit(1)

    monkeypatch.setattr(_follow, "main", broken)
    code, message = begin("train.batch=4", "train.devices=2").wait()
    assert code == 1
    assert "ended with exit code 1: ImportError: no module named 'torch'" in message
    assert message.startswith("rank 1 of 2 (process ")
    assert "Fix: graft resume" in message


def test_fate__a_signal_beside_one_that_hangs_is_obeyed(begin: Begin) -> None:
    begun = begin("train.batch=4", "train.devices=2", "train.epochs=500")
    until(lambda: Run(begun.path).history)
    (follower,) = descendants(begun.child.pid)
    os.kill(follower, signal.SIGSTOP)
    time.sleep(0.3)
    began = time.monotonic()
    begun.child.kill(signal.SIGTERM)
    code, message = begun.wait()
    assert time.monotonic() - began < 10
    assert code == 143
    assert "epochs of" in message
    with pytest.raises(ProcessLookupError):
        os.kill(follower, 0)


def test_fate__of_the_second_of_three_is_told_from_that_of_who_left_for_it(begin: Begin) -> None:
    begun = begin("train.batch=2", "train.devices=3", "train.epochs=500")
    until(lambda: Run(begun.path).history)
    second, third = descendants(begun.child.pid)
    os.kill(third, signal.SIGKILL)
    code, message = begun.wait()
    assert code == 1
    assert message.startswith(f"rank 2 of 3 (process {third}) was killed by SIGKILL")
    with pytest.raises(ProcessLookupError):
        os.kill(second, 0)


def test_follower__who_does_not_leave_is_made_to() -> None:
    def stubborn() -> None:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        time.sleep(60)

    process: Any = Forked(fork(stubborn).pid)
    with open(os.devnull, "rb") as said:  # noqa: PTH123 - a stream, as a follower has
        follower = _crew.Follower(1, process, said)
        assert follower.death() is None
        began = time.monotonic()
        follower.end(0.2)
        assert time.monotonic() - began < 5
        assert process.poll() == -signal.SIGKILL


def test_started__the_place_that_it_is_given(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: dict[str, Any] = {}
    monkeypatch.setattr(_crew.subprocess, "Popen", lambda command, **options: seen.update(command=command, **options))
    place = Place(rank=1, size=2, local_rank=1, local_size=2, address="127.0.0.1", port=1)
    _crew._start(place).said.close()
    assert seen["command"][1:] == ["-m", "graft.engine._follow"]
    assert seen["env"].items() >= {**place.variables(), _follow.LEADER: str(os.getpid())}.items()
    assert seen["process_group"] == 0, "Ctrl-C is for the leader alone"
