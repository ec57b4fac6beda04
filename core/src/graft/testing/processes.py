"""Python code in a process of its own: for what an import does, which happens once in a process."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Finished:
    """How a process ended."""

    code: int
    out: str
    err: str


def run_python(
    code: str, *arguments: str, folder: Path | None = None, env: Mapping[str, str] | None = None, timeout: float = 120
) -> Finished:
    """Run code in a new interpreter, with this one's module path and without compiled files being written.

    Args:
        code: Python, perhaps indented.
        arguments: Its `sys.argv[1:]`.
        folder: The working folder; by default this one.
        env: Added to this process's environment.
        timeout: Seconds after which it is killed, and `subprocess.TimeoutExpired` raised.
    """
    paths = os.pathsep.join(path for path in sys.path if path)
    done = subprocess.run(
        [sys.executable, "-B", "-c", textwrap.dedent(code), *arguments],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": paths, **(env or {})},
        capture_output=True,
        text=True,
        timeout=timeout,
        check=False,
    )
    return Finished(done.returncode, done.stdout, done.stderr)
