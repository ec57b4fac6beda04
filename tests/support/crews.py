"""Processes that train together, forked instead of started: importing torch in each would take most of the time."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import pytest

from forks import fork
from graft.engine import _crew, _follow
from graft.engine._place import Place
from graft.plugins import Plugins
from graft.testing.commands import Graft, Result


class Forked:
    """Stands for the `subprocess.Popen` of a process that was forked."""

    def __init__(self, pid: int) -> None:
        self.pid = pid
        self.code: int | None = None

    def poll(self) -> int | None:
        if self.code is None:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            self.code = os.waitstatus_to_exitcode(status) if pid else None
        return self.code

    def wait(self, timeout: float = 60) -> int:
        deadline = time.monotonic() + timeout
        while (code := self.poll()) is None:
            if time.monotonic() > deadline:
                raise subprocess.TimeoutExpired("a forked process", timeout)
            time.sleep(0.002)
        return code

    def kill(self) -> None:
        os.kill(self.pid, signal.SIGKILL)


def fork_followers(monkeypatch: pytest.MonkeyPatch, plugins: Plugins | None = None) -> None:
    """Let leaders fork their followers, who do what they do when they are started.

    Args:
        monkeypatch: Undoes it.
        plugins: Theirs; by default whatever is installed.
    """

    def start(place: Place) -> _crew.Follower:
        leader, said = os.getpid(), tempfile.TemporaryFile()  # noqa: SIM115 - closed with the process

        def work() -> None:
            for stream in (1, 2):
                os.dup2(said.fileno(), stream)
            os.environ.update({**place.variables(), _follow.LEADER: str(leader)})
            _follow.main()

        process: Any = Forked(fork(_exit_code(work)).pid)
        return _crew.Follower(place.rank, process, said)

    monkeypatch.setattr(_follow, "follow", partial(_follow.follow, plugins=plugins))
    monkeypatch.setattr(_crew, "_start", start)


def _exit_code(work: Callable[[], None]) -> Callable[[], int]:
    def coded() -> int:
        try:
            work()
        except SystemExit as stop:
            return int(stop.code or 0)
        return 0

    return coded


def descendants(pid: int) -> list[int]:
    """Return the processes of this machine that `pid` started and that live, and what those started."""
    found = subprocess.run(["ps", "-eo", "pid=,ppid=,stat="], capture_output=True, text=True, check=True).stdout
    rows = [line.split() for line in found.splitlines()]
    children = [int(child) for child, parent, state in rows if int(parent) == pid and not state.startswith("Z")]
    return children + [deeper for child in children for deeper in descendants(child)]


class Typed:
    """`graft WORDS…`, typed in a folder: a process of its own, which can be killed.

    Args:
        graft: The command line in that folder.
        words: What stands behind `graft`.
        env: Variables that it has besides.
    """

    def __init__(self, graft: Graft, *words: object, env: Mapping[str, str] | None = None) -> None:
        self._said = tempfile.TemporaryFile()  # noqa: SIM115 - read when the process has ended

        def work() -> int:
            for stream in (1, 2):
                os.dup2(self._said.fileno(), stream)
            result = graft(*words, env=env)
            os.write(2, result.err.encode())
            return result.code

        self.process = Forked(fork(work).pid)

    @property
    def pid(self) -> int:
        return self.process.pid

    def kill(self, number: int = signal.SIGKILL) -> None:
        os.kill(self.pid, number)

    def wait(self, timeout: float = 60) -> Result:
        """Return how it ended, and everything that it wrote anywhere, when it has ended."""
        try:
            code = self.process.wait(timeout)
        except subprocess.TimeoutExpired:
            os.killpg(self.pid, signal.SIGKILL)
            self.process.wait()
            self._said.seek(0)
            raise AssertionError(f"it goes on and on: {self._said.read().decode()}") from None
        self._said.seek(0)
        return Result(code, "", self._said.read().decode())


def until(happens: Callable[[], Any], timeout: float = 60) -> Any:
    """Wait until something happens, and return it."""
    deadline = time.monotonic() + timeout
    while not (found := happens()):
        assert time.monotonic() < deadline, "it never happened"
        time.sleep(0.002)
    return found


def free_port() -> int:
    """Return a port that nobody listens to now."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])
