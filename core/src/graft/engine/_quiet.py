"""What libraries say while we work goes into the run's log, not onto the screen."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

from graft.console import Console

_LOUD = ("lightning.pytorch", "lightning.fabric", "lightning", "torch")


class _IntoLog(logging.Handler):
    def __init__(self, log: list[str]) -> None:
        super().__init__()
        self._log = log

    def emit(self, record: logging.LogRecord) -> None:
        self._log.append(f"{record.name}: {record.getMessage()}")


@contextmanager
def hushed(console: Console) -> Iterator[None]:
    """Write the log lines of Lightning and torch, and all Python warnings, into `console.log` alone."""
    handler = _IntoLog(console.log)
    loggers = [logging.getLogger(name) for name in _LOUD]
    before = [(logger.handlers, logger.propagate) for logger in loggers]

    def show(message: Warning | str, category: type[Warning], *_: object, **__: object) -> None:
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
