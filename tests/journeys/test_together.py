"""Several processes train one model: started by us, by `torchrun` or by SLURM; killed, interrupted, resumed.

Processes are forked, as importing torch in each would take minutes in all; but for one of `--devices 2`, and those of
`torchrun`, which are what a user gets.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from crews import Typed, descendants, fork_followers, free_port, until
from graft.runs.folder import Run
from graft.testing.commands import Graft
from photos import write_photos

EPOCHS = 10
TRAIN = (
    *("classify", "train", "photos", "--device", "cpu", "train.batch=3", f"train.epochs={EPOCHS}"),
    *("strategy=full", "backbone.size=32", "evaluation.bootstrap=0"),
)
TWO = (*TRAIN, "--devices", "2")


@pytest.fixture(scope="module")
def graft(tmp_path_factory: pytest.TempPathFactory) -> Graft:
    folder = tmp_path_factory.mktemp("together")
    write_photos(folder / "photos", per_class=9)
    graft = Graft(folder)
    # What training imports is imported here, once.
    assert graft(*TRAIN, "--dry-run").code == 0
    return graft


@pytest.fixture(scope="module", autouse=True)
def _quick_report() -> Iterator[None]:
    """Leave the report out: drawing takes longer than training, and has tests of its own."""
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr("graft.engine._finish.write_report", lambda run, material: run.path / "report.html")
        yield


@pytest.fixture(scope="module")
def compiled(pytestconfig: pytest.Config) -> dict[str, str]:
    """Variables with which Python keeps what it compiles: without, each new process would compile all of torch."""
    if not sys.dont_write_bytecode:
        return {}
    assert pytestconfig.cache is not None
    return {"PYTHONPYCACHEPREFIX": str(pytestconfig.cache.mkdir("compiled")), "PYTHONDONTWRITEBYTECODE": ""}


@pytest.fixture(scope="module")
def by_torchrun(graft: Graft, compiled: dict[str, str]) -> Iterator[subprocess.Popen[str]]:
    """`torchrun` with two processes, at work; begun early, as it takes longest."""
    command = Path(sys.executable).with_name("graft")
    launcher = ("--nproc-per-node", "2", "--master-port", str(free_port()), "--no-python", str(command))
    process = subprocess.Popen(
        [sys.executable, "-m", "torch.distributed.run", *launcher, *TRAIN, "--name", "torchrun"],
        cwd=graft.folder,
        env={**os.environ, "GRAFT_HOME": str(graft.folder / "home"), "GRAFT_OFFLINE": "1", **compiled},
        stderr=subprocess.PIPE,
        text=True,
    )
    with process:
        yield process
        process.kill()


@pytest.fixture(scope="module")
def undisturbed(graft: Graft, compiled: dict[str, str], by_torchrun: object) -> Run:
    """A run of two processes, the second of which is started as a user's is."""
    result = Typed(graft, *TWO, "--name", "undisturbed", env=compiled).wait(180)
    assert result.code == 0, result.err
    assert "2 devices × batch 3" in result.err
    assert "Traceback" not in result.err
    return run_of(graft, "undisturbed")


@pytest.fixture
def begin(graft: Graft, monkeypatch: pytest.MonkeyPatch) -> Callable[..., tuple[Typed, int]]:
    fork_followers(monkeypatch)

    def begin(run: str, *words: object) -> tuple[Typed, int]:
        """Type a command, and return when it has finished an epoch more of that run; the other process, too."""
        path = graft.folder / "runs" / run
        before = len(Run(path).history)
        typed = Typed(graft, *words)
        until(lambda: len(Run(path).history) > before)
        (follower,) = descendants(typed.pid)
        return typed, follower

    return begin


def run_of(graft: Graft, name: str) -> Run:
    return Run.open(graft.folder / "runs" / name)


def assert_same(run: Run, other: Run) -> None:
    assert run.status == "finished"
    assert run.results["weights_sha256"] == other.results["weights_sha256"]
    assert [timeless(row) for row in run.history] == [timeless(row) for row in other.history]


def timeless(row: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in row.items() if key not in ("seconds", "images_per_second")}


def gone(pid: int) -> bool:
    state = Path(f"/proc/{pid}/stat")
    return not state.exists() or state.read_text().rpartition(")")[2].split()[0] == "Z"


def test_torchrun__the_same_model(graft: Graft, undisturbed: Run, by_torchrun: subprocess.Popen[str]) -> None:
    _, said = by_torchrun.communicate(timeout=300)
    assert by_torchrun.returncode == 0, said
    assert said.count(f"Epoch    1/{EPOCHS}") == 1, "one of them speaks"
    assert_same(run_of(graft, "torchrun"), undisturbed)


def test_slurm__the_same_model(graft: Graft, undisturbed: Run) -> None:
    variables = {"SLURM_JOB_ID": "4711", "SLURM_STEP_NUM_TASKS": "2", "SLURM_STEP_NUM_NODES": "1"}
    variables |= {"SLURM_STEP_TASKS_PER_NODE": "2", "SLURM_STEP_NODELIST": "localhost", "MASTER_PORT": str(free_port())}
    processes = [
        Typed(graft, *TRAIN, "--name", "slurm", env={**variables, "SLURM_PROCID": rank, "SLURM_LOCALID": rank})
        for rank in ("0", "1")
    ]
    leader, follower = (process.wait() for process in processes)
    assert leader.code == 0, leader.err
    assert (follower.code, follower.err) == (0, "")
    assert_same(run_of(graft, "slurm"), undisturbed)


def test_kill__is_said_leaves_nobody_and_is_resumed(graft: Graft, undisturbed: Run, begin: Any) -> None:
    typed, follower = begin("killed", *TWO, "--name", "killed")
    os.kill(follower, signal.SIGKILL)
    began = time.monotonic()
    result = typed.wait()
    assert time.monotonic() - began < 10
    assert result.code == 1
    assert f"graft: rank 1 of 2 (process {follower}) was killed by SIGKILL" in result.err
    assert "epochs of runs/killed are saved" in result.err
    assert "Fix: graft resume runs/killed" in result.err
    assert "Traceback" not in result.err
    run = run_of(graft, "killed")
    assert run.status == "failed"

    typed, follower = begin("killed", "resume", "runs/killed")
    typed.kill()
    assert typed.wait().code == -signal.SIGKILL
    until(lambda: gone(follower), timeout=10)
    assert run.status == "interrupted"
    assert len(run.history) < EPOCHS

    again = Typed(graft, "resume", "runs/killed").wait()
    assert again.code == 0, again.err
    assert_same(run, undisturbed)


def test_signal__ends_all_in_good_order(graft: Graft, undisturbed: Run, begin: Any) -> None:
    words: tuple[object, ...] = (*TWO, "--name", "stopped")
    for number, code in ((signal.SIGTERM, 143), (signal.SIGINT, 130)):
        typed, follower = begin("stopped", *words)
        typed.kill(number)
        result = typed.wait()
        assert result.code == code
        assert "epochs of runs/stopped are saved" in result.err
        assert "Fix: graft resume runs/stopped" in result.err
        assert "Traceback" not in result.err
        assert gone(follower)
        assert run_of(graft, "stopped").status == "interrupted"
        words = ("resume", "runs/stopped")
    assert len(run_of(graft, "stopped").history) < EPOCHS
    again = Typed(graft, *words).wait()
    assert again.code == 0, again.err
    assert_same(run_of(graft, "stopped"), undisturbed)
