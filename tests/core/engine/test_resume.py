from __future__ import annotations

import json
import os
import pkgutil
import random
import shutil
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from forks import Child, fork
from graft.console import Console
from graft.engine.resume import resume
from graft.engine.train import train as train_recipe
from graft.errors import DataError, GraftError, RunError
from graft.plugins import Plugins
from graft.recipe import ResolvedRecipe
from graft.runs.folder import Run
from shades import Train, write_shades

LONG = ("train.epochs=10", "train.batch=4")


@pytest.fixture
def begin(plugins: Plugins, recipe: Callable[..., ResolvedRecipe], tmp_path: Path) -> Callable[..., tuple[Child, Path]]:
    """Begin the run `killed` in another process, and wait until `rows` of its epochs are recorded."""

    def begin(*overrides: str, rows: int = 0) -> tuple[Child, Path]:
        resolved = recipe(*LONG, *overrides)

        def work() -> int:
            try:
                train_recipe(resolved, plugins=plugins, out=tmp_path, name="killed", console=Console(quiet=True))
            except GraftError as error:
                (tmp_path / "message").write_text(str(error))
                return error.exit_code
            return 0

        child, path = fork(work), tmp_path / "killed"
        deadline = time.monotonic() + 60
        while not (path / "status.json").exists() or len(Run(path).history) < rows:
            assert time.monotonic() < deadline, "the run never got there"
            time.sleep(0.002)
        return child, path

    return begin


@pytest.fixture
def carry_on(plugins: Plugins) -> Callable[[Path], Run]:
    return lambda path: resume(path, plugins=plugins, console=Console(quiet=True))


def test_resume__killed_at_any_moment_ends_with_the_same_weights(begin: Any, carry_on: Any, train: Train) -> None:
    whole = train(*LONG)
    expected = whole.results["weights_sha256"]
    per_epoch = sum(row["seconds"] for row in whole.history) / len(whole.history)
    draw = random.Random(0)
    reached = []
    for rows in (0, 1, 2, 4):
        child, path = begin(rows=rows)
        time.sleep(draw.uniform(0, 2 * per_epoch))
        child.kill()
        child.wait()
        reached.append(len(Run.open(path).history))
        assert Run.open(path).status in ("interrupted", "finished"), "its process is gone"
        run = carry_on(path)
        assert run.status == "finished"
        assert run.results["weights_sha256"] == expected
        assert run.results["metrics"] == whole.results["metrics"]
        assert [_timeless(row) for row in run.history] == [_timeless(row) for row in whole.history]
        assert not list(path.rglob(".tmp-*"))
        shutil.rmtree(path)
    assert any(0 < epochs < len(whole.history) for epochs in reached), "some were killed on the way"


def test_resume__forgets_epochs_that_came_after_the_checkpoint(begin: Any, carry_on: Any) -> None:
    child, path = begin(rows=2)
    child.kill()
    child.wait()
    Run(path).append("metrics.jsonl", ['{"epoch": 6, "lost": true, "seconds": 1}', '{"epo'])
    history = carry_on(path).history
    assert [row["epoch"] for row in history] == [1, 2, 3, 4, 5, 6, 7, 8, 9, 10]
    assert not any("lost" in row for row in history)


def test_resume__signals_end_in_good_order(begin: Any, carry_on: Any, train: Train, tmp_path: Path) -> None:
    expected = train(*LONG, "train.epochs=15").results["weights_sha256"]
    for number, code in ((signal.SIGTERM, 143), (signal.SIGINT, 130)):
        child, path = begin("train.epochs=15", rows=2)
        child.kill(number)
        assert child.wait() == code
        assert json.loads((path / "status.json").read_text())["status"] == "interrupted"
        message = (tmp_path / "message").read_text()
        assert f"graft resume {path}" in message
        assert "epochs of" in message
        assert 2 <= len(Run(path).history) < 15
        assert carry_on(path).results["weights_sha256"] == expected
        shutil.rmtree(path)


def test_resume__ctrl_c_reaches_the_loaders_too(begin: Any, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    child, _ = begin("train.epochs=60", "train.workers=2", rows=1)
    os.killpg(child.pid, signal.SIGINT)
    assert child.wait() == 130
    with pytest.raises(ProcessLookupError):
        os.killpg(child.pid, 0)
    assert "Traceback" not in capfd.readouterr().err


def test_resume__second_interrupt_ends_at_once(begin: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    # A run that takes its time to end: the first Ctrl-C cannot be obeyed quickly.
    monkeypatch.setattr(Run, "mark", lambda self, status, message=None: _slow_mark(self, status))
    child, _ = begin("train.epochs=60", rows=1)
    child.kill(signal.SIGINT)
    time.sleep(0.3)
    begun = time.monotonic()
    child.kill(signal.SIGINT)
    assert child.wait() == 130
    assert time.monotonic() - begun < 1


def test_resume__of_a_finished_run_changes_nothing(train: Train, carry_on: Any) -> None:
    run = train()
    before = {path: path.read_bytes() for path in run.path.rglob("*") if path.is_file()}
    carry_on(run.path)
    assert {path: path.read_bytes() for path in run.path.rglob("*") if path.is_file()} == before


def test_resume__after_the_last_epoch_only_finishes(train: Train, carry_on: Any) -> None:
    run = train()
    expected = run.results
    for name in ("results.json", "report.html"):
        (run.path / name).unlink()
    shutil.rmtree(run.bundle)
    run.mark("interrupted")
    history = run.history
    again = carry_on(run.path)
    assert again.history == history
    assert again.results == expected
    assert (again.bundle / "bundle.json").is_file()


def test_resume__damaged_checkpoint_is_passed_over(train: Train, carry_on: Any, plugins: Plugins) -> None:
    run = train(*LONG)
    expected = run.results["weights_sha256"]
    for state in run.checkpoints.glob("epoch-*/state.pt"):
        content = bytearray(state.read_bytes())
        content[len(content) // 2] ^= 1
        state.write_bytes(content)
    run.mark("interrupted")
    console = Console(quiet=True)
    assert resume(run.path, plugins=plugins, console=console).results["weights_sha256"] == expected
    assert any("damaged" in warning for warning in console.warnings)


def test_resume__works_where_the_folder_was_moved_to(train: Train, carry_on: Any, tmp_path: Path) -> None:
    run = train(*LONG)
    expected = run.results["weights_sha256"]
    run.mark("interrupted")
    shutil.rmtree(run.checkpoints / "epoch-0010", ignore_errors=True)
    moved = run.path.rename(tmp_path / "elsewhere")
    assert carry_on(moved).results["weights_sha256"] == expected


def test_resume__refuses_other_data(train: Train, carry_on: Any, tmp_path: Path) -> None:
    pictures = write_shades(tmp_path / "own")
    run = train(f"data.train={pictures}")
    run.mark("interrupted")
    victim = next((pictures / "dark").iterdir())
    shutil.copy(next((pictures / "light").iterdir()), victim)
    with pytest.raises(DataError, match="not the data that"):
        carry_on(run.path)


def test_resume__refuses_a_run_that_is_at_work(begin: Any, carry_on: Any) -> None:
    child, path = begin("train.epochs=200", rows=1)
    try:
        with pytest.raises(RunError, match=f"in use by process {child.pid} on "):
            carry_on(path)
    finally:
        child.kill()
        child.wait()


def _timeless(row: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in row.items() if key not in ("seconds", "images_per_second")}


def _slow_mark(run: Run, status: str) -> None:
    (run.path / "status.json").write_text("{}")
    if status == "interrupted":
        for _ in range(100):
            time.sleep(0.1)


EVERYTHING = (
    "train.epochs=12",
    "train.batch=4",
    "strategy.unfreeze={kind='gradual', every=3}",
    "strategy.pace.schedule=one-cycle",
    "strategy.regularise.ema=0.95",
    "strategy.regularise.mixup=0.4",
    "strategy.regularise.sampling=balanced",
)


def test_resume__killed_ten_times_a_gradual_run_ends_with_the_same_weights(
    begin: Any, carry_on: Any, train: Train, plugins: Plugins
) -> None:
    whole = train(*EVERYTHING)
    per_epoch = sum(row["seconds"] for row in whole.history) / len(whole.history)
    draw = random.Random(1)
    child, path = begin(*EVERYTHING)
    reached = [0]
    for _ in range(10):
        # Some kills come before the first epoch, most within or between later ones, however long setting up takes.
        wanted = reached[-1] + draw.choice((0, 1, 1, 2))
        deadline = time.monotonic() + 60
        while len(Run(path).history) < min(wanted, len(whole.history)):
            assert time.monotonic() < deadline, "the run never got there"
            time.sleep(0.002)
        time.sleep(draw.uniform(0, 2 * per_epoch))
        child.kill()
        child.wait()
        reached.append(len(Run.open(path).history))

        def work() -> int:
            resume(path, plugins=plugins, console=Console(quiet=True))
            return 0

        child = fork(work)
    assert child.wait() == 0
    run = Run.open(path)
    assert run.status == "finished"
    assert len(set(reached)) > 2, "the kills struck at different epochs"
    assert run.results["weights_sha256"] == whole.results["weights_sha256"]
    assert [_timeless(row) for row in run.history] == [_timeless(row) for row in whole.history]


@pytest.mark.parametrize(
    "phase",
    [
        "graft.engine._module.Learner.training_step",
        "graft.engine._module.Learner.validation_step",
        "graft.engine._checkpoint.Checkpoints.save",
        "graft.engine._finish.predict_split",
        "graft.engine._finish.save_bundle",
        "graft.engine._finish.write_report",
    ],
)
@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_resume__a_signal_in_any_phase_ends_in_good_order(
    phase: str, number: signal.Signals, code: int, begin: Any, carry_on: Any, train: Train, monkeypatch: Any
) -> None:
    expected = train(*EVERYTHING).results["weights_sha256"]
    owner, _, name = phase.rpartition(".")
    target = pkgutil.resolve_name(owner)
    true = getattr(target, name)
    calls = []

    def struck(*args: Any, **kwargs: Any) -> Any:
        calls.append(1)
        # In the child alone, once, and where there are many calls not in the first.
        if len(calls) == (1 if owner.endswith("_finish") else 4):
            os.kill(os.getpid(), number)
        return true(*args, **kwargs)

    with monkeypatch.context() as patched:
        patched.setattr(target, name, struck)
        child, path = begin(*EVERYTHING)
        assert child.wait() == code
    assert Run.open(path).status == "interrupted"
    assert carry_on(path).results["weights_sha256"] == expected


def test_resume__a_budget_goes_on_with_what_is_left_of_it(begin: Any, carry_on: Any) -> None:
    child, path = begin("train.budget=3s", rows=5)
    child.kill()
    child.wait()
    spent = sum(row["seconds"] for row in Run.open(path).history)
    began = time.monotonic()
    run = carry_on(path)
    assert run.status == "finished"
    assert sum(row["seconds"] for row in run.history) > spent
    assert time.monotonic() - began < 3.5 - spent + 2, "no second budget"
    rates = [row["lr.head"] for row in run.history]
    assert rates[-1] < 0.1 * max(rates)
