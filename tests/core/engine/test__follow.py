"""A process that is not the leader: silent, and never there when the leader is not."""

from __future__ import annotations

import importlib
import os
import threading
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from crews import Forked, free_port, until
from forks import fork
from graft.console import Console
from graft.engine import _follow
from graft.engine._follow import EXIT_DESERTED, Mute, follow, quietly
from graft.engine._place import Place
from graft.engine._team import meeting_point, met
from graft.engine.train import train as train_recipe
from graft.errors import GraftError
from graft.plugins import Plugins
from graft.recipe import ResolvedRecipe
from graft.runs.folder import Run
from shades import write_shades

Recipe = Callable[..., ResolvedRecipe]


@pytest.fixture(scope="module", autouse=True)
def _imported() -> None:
    """Import here, once, what else each process would import."""
    for name in ("albumentations", "graft.engine._finish"):
        importlib.import_module(name)


@pytest.fixture
def places() -> tuple[Place, Place]:
    """Of a leader and another process."""
    first = Place(rank=0, size=2, local_rank=0, local_size=2, address="127.0.0.1", port=free_port())
    return first, Place(**{**vars(first), "rank": 1, "local_rank": 1})


@pytest.fixture
def following(places: tuple[Place, Place], plugins: Plugins, monkeypatch: pytest.MonkeyPatch) -> Callable[[], Forked]:
    """Fork a process that follows."""
    monkeypatch.setattr(_follow, "follow", partial(follow, plugins=plugins))
    return lambda: Forked(fork(lambda: quietly(places[1])).pid)


@pytest.fixture
def leading(places: tuple[Place, Place], recipe: Recipe, plugins: Plugins, tmp_path: Path) -> Callable[..., Forked]:
    """Fork a process that leads, as a launcher would start it."""

    def leading(*overrides: str) -> Forked:
        resolved = recipe(*overrides)

        def work() -> int:
            os.environ.update(places[0].variables())
            try:
                train_recipe(resolved, plugins=plugins, out=tmp_path, name="run", console=Console(quiet=True))
            except GraftError as error:
                (tmp_path / "message").write_text(str(error))
                return error.exit_code
            return 0

        return Forked(fork(work).pid)

    return leading


def test_mute__says_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    console = Mute(quiet=True)
    console.say("Data", "is there")
    console.warn("beware")
    assert capsys.readouterr() == ("", "")
    assert console.warnings == ["beware"], "kept all the same"


def test_follow__trains_and_leaves(
    leading: Any, following: Any, plugins: Plugins, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    leader, follower = leading("train.batch=2"), following()
    assert (follower.wait(), leader.wait()) == (0, 0)
    run = Run.open(tmp_path / "run", plugins=plugins)
    assert run.status == "finished"
    assert run.recipe.recipe.train.devices == 2, "as many as were started: with it the run is gone on with anywhere"
    assert any("2 devices" in choice for choice in run.choices)
    assert capfd.readouterr().out == ""


@pytest.mark.parametrize(
    ("overrides", "says"),
    [
        (("train.devices=3",), "and 2 were started on each machine"),
        (("train.device=cpu", "train.precision=fp16"), "fp16 needs an NVIDIA GPU"),
    ],
)
def test_follow__leaves_with_a_leader_that_refuses(
    overrides: tuple[str, ...], says: str, leading: Any, following: Any, tmp_path: Path
) -> None:
    leader, follower = leading(*overrides), following()
    assert leader.wait() == 2
    assert follower.wait() == EXIT_DESERTED
    assert says in (tmp_path / "message").read_text()
    assert not (tmp_path / "run").exists()


def test_follow__there_may_be_nothing_to_do(places: tuple[Place, Place], following: Any) -> None:
    def finished_already() -> None:
        with met(places[0], meeting_point(places[0])) as team:
            team.shared(None)

    leader, follower = Forked(fork(finished_already).pid), following()
    assert (leader.wait(), follower.wait()) == (0, 0)


def test_follow__refuses_other_data(
    leading: Any, following: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # As on a machine whose copy of the data is another one.
    pictures, other = write_shades(tmp_path / "own"), write_shades(tmp_path / "other", per_class=13)
    tests, opened = os.getpid(), Run.open.__func__

    def elsewhere(cls: type[Run], path: Path, **options: Any) -> Run:
        run = opened(cls, path, **options)
        text = (run.path / "recipe.toml").read_text().replace(str(pictures), str(other))
        if os.getpid() != tests:
            copy = tmp_path / "copied.toml"
            copy.write_text(text)
            from graft.recipe import load_recipe

            run.__dict__["recipe"] = load_recipe(copy, plugins=run.plugins)
        return run

    monkeypatch.setattr(Run, "open", classmethod(elsewhere))
    leader, follower = leading(f"data.train={pictures}", "train.batch=2"), following()
    assert (leader.wait(), follower.wait()) == (1, 1)
    message = (tmp_path / "message").read_text()
    assert message.startswith("rank 1 of 2: ")
    assert f"{other}: not the data that" in message


def test_follow__a_leader_that_was_killed_is_left(leading: Any, following: Any, tmp_path: Path) -> None:
    leader, follower = leading("train.batch=2", "train.epochs=500"), following()
    until(lambda: (tmp_path / "run").exists() and Run(tmp_path / "run").history)
    leader.kill()
    leader.wait()
    began = time.monotonic()
    assert follower.wait() == EXIT_DESERTED
    assert time.monotonic() - began < 10


def test_follow__one_that_was_started_elsewhere_and_killed_is_missed(
    leading: Any, following: Any, tmp_path: Path
) -> None:
    leader, follower = leading("train.batch=2", "train.epochs=500"), following()
    until(lambda: (tmp_path / "run").exists() and Run(tmp_path / "run").history)
    follower.kill()
    follower.wait()
    assert leader.wait(20) == 1
    message = (tmp_path / "message").read_text()
    assert message.startswith(f"rank 1 of 2 (process {follower.pid}) is gone; ")
    assert message.endswith(f"Fix: graft resume {tmp_path / 'run'}")


def test_main__ends_with_the_process_that_started_it_and_takes_its_own_along(tmp_path: Path) -> None:
    seen = tmp_path / "seen"

    def stuck() -> None:
        loader = fork_quietly(lambda: time.sleep(60))
        seen.write_text(f"{os.getpid()} {loader}")
        time.sleep(60)

    def start() -> None:
        leader = os.getpid()

        def started() -> None:
            threading.Thread(target=_follow._end_with, args=(leader,), daemon=True).start()
            stuck()

        fork(started)
        time.sleep(60)

    leader = Forked(fork(start).pid)
    follower, loader = map(int, until(lambda: seen.exists() and seen.read_text()).split())
    leader.kill()
    leader.wait()
    until(lambda: gone(follower) and gone(loader), timeout=10)


def fork_quietly(work: Callable[[], Any]) -> int:
    """Fork a process of the same group, as a loader's is."""
    pid = os.fork()
    if pid:
        return pid
    work()
    os._exit(0)


def gone(pid: int) -> bool:
    state = Path(f"/proc/{pid}/stat")
    return not state.exists() or state.read_text().rpartition(")")[2].split()[0] == "Z"


def test_main__without_a_place_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(_follow.LEADER, str(os.getppid()))
    monkeypatch.delenv("WORLD_SIZE", raising=False)
    with pytest.raises(SystemExit) as stop:
        _follow.main()
    assert stop.value.code == 1
