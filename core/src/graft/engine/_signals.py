"""Ctrl-C and SIGTERM: the first one ends the work in good order, the second one at once.

What is on the disk is whole at every moment, so the work can be left at any point: the signal raises where it strikes.
"""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from graft.errors import EXIT_INTERRUPTED, EXIT_TERMINATED, InterruptedRun


class Stopped(BaseException):
    """A signal asked for the end. Not an `Exception`, so that nothing on the way up takes it for a failure of its own.

    Args:
        terminated: By SIGTERM rather than Ctrl-C.
    """

    def __init__(self, *, terminated: bool) -> None:
        super().__init__()
        self.terminated = terminated


class Stopper:
    """Remembers that a signal came, for the case that the code it struck swallowed the exception."""

    def __init__(self) -> None:
        self._owner = os.getpid()
        self._came: Stopped | None = None

    def check(self) -> None:
        """Raise if a signal has come.

        Raises:
            Stopped: When it has.
        """
        if self._came is not None:
            raise self._came

    def __call__(self, number: int, frame: FrameType | None) -> None:
        """Handle a signal.

        Raises:
            Stopped: In the main process, the first time.
        """
        terminated = number == signal.SIGTERM
        if os.getpid() != self._owner:
            # A loader's process, forked with our handler. Ctrl-C reaches the whole group: the parent ends its children.
            if terminated:
                os._exit(EXIT_TERMINATED)
            return
        if self._came is not None:
            os._exit(EXIT_TERMINATED if terminated else EXIT_INTERRUPTED)
        self._came = Stopped(terminated=terminated)
        raise self._came


@contextmanager
def stoppable() -> Iterator[Stopper]:
    """Handle SIGINT and SIGTERM within the block; outside the main thread, where Python cannot, leave them alone."""
    stopper = Stopper()
    if threading.current_thread() is not threading.main_thread():
        yield stopper
        return
    before = {number: signal.signal(number, stopper) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield stopper
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextmanager
def nothing_written() -> Iterator[None]:
    """Say, when a signal comes within the block, that it leaves nothing behind.

    Raises:
        InterruptedRun: In the place of `Stopped`.
    """
    try:
        yield
    except Stopped as stop:
        raise InterruptedRun("interrupted; nothing was written", terminated=stop.terminated) from None
