"""A plugin's code, run so that it leaves nothing behind but its module.

This protects against accidents, not against malice: a plugin is code with the user's rights.
"""

from __future__ import annotations

import os
import random
import signal
import sys
import threading
import warnings
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, redirect_stdout


@contextmanager
def isolated() -> Iterator[None]:
    """Run the body; afterwards the process state that plugins are known to disturb is as it was.

    That is the working folder, `sys.path`, the warning filters, the signal handlers, the random states of Python,
    numpy and torch, and torch's default dtype. What the body prints on stdout goes to stderr.
    """
    with ExitStack() as undo:
        for restore in (_working_folder(), _sys_path(), *_signals(), _random(), *_numpy(), *_torch()):
            undo.callback(restore)
        undo.enter_context(warnings.catch_warnings())
        undo.enter_context(redirect_stdout(sys.stderr))
        yield


def _random() -> Callable[[], None]:
    state = random.getstate()
    return lambda: random.setstate(state)


def _working_folder() -> Callable[[], None]:
    try:
        folder = os.getcwd()  # noqa: PTH109 - Path.cwd() is the same call, and os.chdir wants a string
    except FileNotFoundError:
        return lambda: None
    return lambda: os.chdir(folder)


def _sys_path() -> Callable[[], None]:
    entries = list(sys.path)

    def restore() -> None:
        sys.path[:] = entries

    return restore


def _signals() -> Iterator[Callable[[], None]]:
    if threading.current_thread() is not threading.main_thread():
        return  # no other thread may set handlers, so none can have been changed
    handlers = {number: signal.getsignal(number) for number in signal.valid_signals()}

    def restore() -> None:
        for number, handler in handlers.items():
            if handler is not None and signal.getsignal(number) is not handler:
                signal.signal(number, handler)

    yield restore


def _numpy() -> Iterator[Callable[[], None]]:
    numpy_random = sys.modules.get("numpy.random")
    if numpy_random is not None:
        state = numpy_random.get_state()
        yield lambda: numpy_random.set_state(state)


def _torch() -> Iterator[Callable[[], None]]:
    torch = sys.modules.get("torch")
    if torch is not None and hasattr(torch, "get_rng_state"):
        state, dtype = torch.get_rng_state(), torch.get_default_dtype()
        yield lambda: torch.set_rng_state(state)
        yield lambda: torch.set_default_dtype(dtype)
