"""The leader's side of a team: who the others are, how they are started, and what became of them."""

from __future__ import annotations

import contextlib
import json
import math
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import IO

import torch
from torch.distributed.distributed_c10d import Store

from graft import atomic
from graft.data.shards import Shard
from graft.engine._follow import EXIT_DESERTED, LEADER
from graft.engine._place import Place
from graft.engine._setup import Experiment
from graft.engine._signals import Stopper
from graft.engine._team import JOIN, Deserted, Team, meeting_point, met, share_cores
from graft.errors import DataError, Problem, RecipeError, TrainingError
from graft.runs.folder import Run

_GRACE = 5.0
"""Seconds for the others to say what happened to them, or to leave."""

_POLL = 0.02


class Crew:
    """The processes that a training is for, as far as they are known before it begins.

    Args:
        place: The leader's, where a launcher started all of them; else None, and we shall.
        stopper: Is asked while waiting.
        team: Those that the launcher started.
        store: Where they leave word.
    """

    def __init__(
        self, place: Place | None, stopper: Stopper, *, team: Team | None = None, store: Store | None = None
    ) -> None:
        self.place = place
        self.dismissed = False
        self._stopper = stopper
        self._team = team
        self._store = store

    def divided(self, experiment: Experiment) -> Experiment:
        """Return the leader's share of an experiment.

        Raises:
            UserError: When there are not as many devices, or not as many images.
        """
        count = self.place.size if self.place is not None else experiment.recipe.train.devices
        if self.place is not None:
            experiment = _as_launched(experiment, self.place)
        if count == 1:
            return experiment
        if experiment.resolved.head.fitted:
            problem = Problem("head.kind", f"'{experiment.resolved.head.name}' is fitted at once, by one process")
            raise RecipeError(f"{count} processes cannot train this together", problems=[problem], fix="start one")
        if self.place is None and (found := _devices(experiment.device)) < count:
            problem = Problem("train.devices", f"{count} of the kind '{experiment.device}', and there is {found}")
            raise RecipeError("The recipe asks for more devices than this machine has", problems=[problem])
        if (images := len(experiment.prepared.split["train"])) < count:
            raise DataError(f"{experiment.recipe.data.train}: {images} images cannot be shared by {count} devices")
        return replace(experiment, shard=Shard(0, count))

    @contextmanager
    def at_work(self, experiment: Experiment, run: Run) -> Iterator[Team]:
        """Train with all of them in the block; they are started if nobody did, and leave at its end.

        Raises:
            TrainingError: When one of them failed, was killed or does not answer: says which, and what to do.
        """
        count = experiment.shard.count
        if count == 1:
            yield Team()
            return
        self.dismissed = True
        with _sharing_cores(self.place.local_size if self.place else count, experiment.device):
            if self._team is not None and self._store is not None:
                with self._accounted_for(run, count, self._store, []):
                    yield _ready(self._team, experiment, run)
                return
            with (
                _started(count) as (place, store, followers),
                self._accounted_for(run, count, store, followers),
            ):
                _await_all(store, place, self._check(followers))
                with met(place, store) as team:
                    yield _ready(team, experiment, run)

    def _check(self, followers: list[Follower]) -> Callable[[], None]:
        def check() -> None:
            self._stopper.check()
            if any(follower.process.poll() is not None for follower in followers):
                raise Deserted("ended before it began")

        return check

    @contextmanager
    def _accounted_for(self, run: Run, count: int, store: Store, followers: list[Follower]) -> Iterator[None]:
        """Turn the news that somebody is gone into who it is and why."""
        try:
            yield
        except Deserted as error:
            message, fix = self._find_out(store, count, followers) or (f"one of the {count} processes: {error}", None)
            saved = f"; {len(run.history)} epochs of {run.path} are saved" if run.history else ""
            raise TrainingError(f"{message}{saved}", fix=fix or f"graft resume {run.path}") from error

    def _find_out(self, store: Store, count: int, followers: list[Follower]) -> tuple[str, str | None] | None:
        """Return what happened to the first process that something happened to, and what can be done about it."""
        until = time.monotonic() + _GRACE
        while time.monotonic() < until:
            # A signal that was meant for all of us may have reached another process first.
            self._stopper.check()
            for rank in range(1, count):
                if found := _last_words(store, rank):
                    return f"rank {rank} of {count}: {found['message']}", found["fix"]
            for follower in followers:
                if how := follower.death():
                    return f"rank {follower.rank} of {count} (process {follower.process.pid}) {how}", None
            # A signal that is meant for all of us, as from a launcher, may strike them before us.
            if not followers and time.monotonic() > until - _GRACE + 1 and (gone := _vanished(store, count)):
                return gone, None
            time.sleep(_POLL)
        return None


@contextmanager
def gathered(place: Place | None, stopper: Stopper) -> Iterator[Crew]:
    """Meet those whom a launcher started, for the block; without one there is nobody yet.

    Raises:
        TrainingError: When somebody does not come.
    """
    if place is None:
        yield Crew(None, stopper)
        return
    try:
        store = meeting_point(place)
        _await_all(store, place, stopper.check)
    except Deserted as error:
        where = f"{place.address}, port {place.port}"
        raise TrainingError(f"not all of the {place.size} processes came to {where}: {error}") from error
    with met(place, store) as team:
        crew = Crew(place, stopper, team=team, store=store)
        yield crew
        if not crew.dismissed:
            with contextlib.suppress(Deserted):
                team.shared(None)


@dataclass(frozen=True)
class Follower:
    """A process that we started.

    Args:
        rank: Its rank.
        process: The process, which leads a group of its own: Ctrl-C is for us alone.
        said: What it wrote on its stdout and stderr.
    """

    rank: int
    process: subprocess.Popen[bytes]
    said: IO[bytes]

    def death(self) -> str | None:
        """Return how it ended; None when it lives, or ended because another one had."""
        code = self.process.poll()
        if code in (None, EXIT_DESERTED):
            return None
        if code < 0:
            return f"was killed by {signal.Signals(-code).name}"
        self.said.seek(0)
        lines = self.said.read().decode(errors="replace").split("\n")
        last = next((line.strip() for line in reversed(lines) if line.strip()), "without a word")
        return f"ended with exit code {code}: {last}"

    def end(self, seconds: float) -> None:
        """Let it leave, and what it started with it; after so many seconds, make it."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.process.wait(seconds)
        with contextlib.suppress(OSError):
            os.killpg(self.process.pid, signal.SIGKILL) if hasattr(os, "killpg") else self.process.kill()
        self.process.wait()
        self.said.close()


@contextmanager
def _started(count: int) -> Iterator[tuple[Place, Store, list[Follower]]]:
    """Start the others on this machine for the block; none of them outlives it."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(2 * count)
        address, port = listener.getsockname()
        place = Place(rank=0, size=count, local_rank=0, local_size=count, address=address, port=port)
        store = meeting_point(place, listener)
    followers: list[Follower] = []
    patience = 0.0
    try:
        for rank in range(1, count):
            followers.append(_start(replace(place, rank=rank, local_rank=rank)))
        yield place, store, followers
        patience = _GRACE
    finally:
        for follower in followers:
            follower.end(patience)


def _start(place: Place) -> Follower:
    said = tempfile.TemporaryFile()  # noqa: SIM115 - closed with the process
    process = subprocess.Popen(
        [sys.executable, "-m", "graft.engine._follow"],
        env={**os.environ, **place.variables(), LEADER: str(os.getpid())},
        stdin=subprocess.DEVNULL,
        stdout=said,
        stderr=said,
        process_group=0,
    )
    return Follower(place.rank, process, said)


def _await_all(store: Store, place: Place, check: Callable[[], None]) -> None:
    until = time.monotonic() + JOIN
    while not store.check([f"here/{rank}" for rank in range(place.size)]):
        check()
        if time.monotonic() > until:
            raise Deserted(f"no sign of it for {JOIN:.0f} s")
        time.sleep(_POLL)


def _ready(team: Team, experiment: Experiment, run: Run) -> Team:
    """Tell the others what to work on, and wait until they are as far as we are."""
    team.shared(str(run.path.absolute()))
    team.use(experiment.device)
    return team


def _last_words(store: Store, rank: int) -> dict[str, str | None] | None:
    with contextlib.suppress(RuntimeError):  # who keeps the store may be gone as well
        if store.check([f"error/{rank}"]):
            return dict(json.loads(store.get(f"error/{rank}")))
    return None


def _vanished(store: Store, count: int) -> str | None:
    with contextlib.suppress(RuntimeError):
        for rank in range(1, count):
            pid, host = store.get(f"here/{rank}").decode().split(" ", 1)
            if host == socket.gethostname() and not atomic.alive(int(pid)):
                return f"rank {rank} of {count} (process {pid}) is gone"
    return None


def _devices(kind: str) -> float:
    """Return how many devices of a kind this machine has; a CPU can be shared by any number of processes."""
    return {"cuda": torch.cuda.device_count(), "cpu": math.inf}.get(kind, 1)


def _as_launched(experiment: Experiment, place: Place) -> Experiment:
    """Return the experiment with as many devices of a machine as processes were started on it."""
    train = experiment.recipe.train
    if train.devices == place.local_size:
        return experiment
    if train.devices != 1:
        problem = Problem("train.devices", f"{train.devices}, and {place.local_size} were started on each machine")
        raise RecipeError("The recipe does not fit the processes that were started", problems=[problem])
    why = f"{place.local_size} devices of each machine, for which processes were started"
    return experiment.changed(why, train=train.model_copy(update={"devices": place.local_size}))


@contextmanager
def _sharing_cores(count: int, device: str) -> Iterator[None]:
    """Leave their cores to the other processes of this machine, where it is the cores that calculate."""
    before = torch.get_num_threads()
    share_cores(count, device)
    try:
        yield
    finally:
        torch.set_num_threads(before)
