"""What libraries say while we work goes into the run's log, not onto the screen; what helps nobody goes nowhere."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

from lightning.fabric.utilities.warnings import PossibleUserWarning

from graft.console import Console

_LOUD = ("lightning.pytorch", "lightning.fabric", "lightning", "torch")
_FOR_DEVELOPERS = (DeprecationWarning, PendingDeprecationWarning, FutureWarning, PossibleUserWarning)
"""They are about a library's code, which no user of Graft can change, or are Lightning's guesses at what we meant."""


class _IntoLog(logging.Handler):
    def __init__(self, log: list[str]) -> None:
        super().__init__()
        self._log = log

    def emit(self, record: logging.LogRecord) -> None:
        # Below a warning Lightning repeats what we say ourselves, and advertises.
        if record.name.startswith("lightning") and (record.levelno < logging.WARNING or "Tip:" in record.getMessage()):
            return
        self._log.append(f"{record.name}: {record.getMessage()}")


@contextmanager
def hushed(console: Console) -> Iterator[None]:
    """Write the log lines of Lightning and torch, and Python's warnings, into `console.log` alone.

    Left out are Lightning's remarks below a warning, its tips, and warnings that are meant for developers.
    """
    handler = _IntoLog(console.log)
    loggers = [logging.getLogger(name) for name in _LOUD]
    before = [(logger.handlers, logger.propagate) for logger in loggers]

    def show(message: Warning | str, category: type[Warning], *_: object, **__: object) -> None:
        if not issubclass(category, _FOR_DEVELOPERS):
            console.log.append(f"{category.__name__}: {message}")

    with warnings.catch_warnings():
        warnings.showwarning = show
        for logger in loggers:
            logger.handlers, logger.propagate = [handler], False
        try:
            yield
        finally:
            for logger, (handlers, propagate) in zip(loggers, before, strict=True):
                logger.handlers, logger.propagate = handlers, propagate
