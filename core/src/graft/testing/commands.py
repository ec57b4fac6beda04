"""The command line, run in this process: starting one process per command would import torch each time."""

from __future__ import annotations

import contextlib
import io
import os
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from unittest import mock


@dataclass(frozen=True)
class Result:
    """How a command ended."""

    code: int
    out: str
    err: str


class Graft:
    """Runs `graft ARGUMENTS…` in a folder, offline, with a cache of its own.

    Args:
        folder: The working folder; `$GRAFT_HOME` is `home` in it.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __call__(self, *arguments: object, stdin: str = "", env: Mapping[str, str] | None = None) -> Result:
        """Run one command; a traceback is a bug, and comes through.

        Args:
            arguments: As they are typed behind `graft`.
            stdin: What it reads.
            env: Added to the environment.
        """
        from graft.cli import main

        out, err = io.StringIO(), io.StringIO()
        code = 0
        with (
            self._as_a_process(arguments, stdin, env or {}),
            contextlib.redirect_stdout(out),
            contextlib.redirect_stderr(err),
        ):
            try:
                main()
            except SystemExit as stop:
                code = stop.code if isinstance(stop.code, int) else int(bool(stop.code))
        return Result(code, out.getvalue(), err.getvalue())

    @contextlib.contextmanager
    def _as_a_process(self, arguments: tuple[object, ...], stdin: str, env: Mapping[str, str]) -> Iterator[None]:
        environment = {"GRAFT_HOME": str(self.folder / "home"), "GRAFT_OFFLINE": "1", "NO_COLOR": "1", "COLUMNS": "200"}
        with (
            contextlib.chdir(self.folder),
            mock.patch.dict(os.environ, {**environment, **env}),
            mock.patch.object(sys, "argv", ["graft", *map(str, arguments)]),
            mock.patch.object(sys, "stdin", io.StringIO(stdin)),
        ):
            yield
