"""What a user does, end to end: the command line in this process, and small photographs made in code."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
from photos import write_photos


@dataclass(frozen=True)
class Result:
    """How a command ended."""

    code: int
    out: str
    err: str


Cli = Callable[..., Result]


@pytest.fixture
def cli(capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Cli:
    """Run `graft ARGS…` in this process; the working folder and $GRAFT_HOME are temporary."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("GRAFT_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("GRAFT_OFFLINE", "1")
    monkeypatch.setenv("NO_COLOR", "1")
    monkeypatch.setenv("COLUMNS", "200")

    def run(*arguments: object) -> Result:
        from graft.cli import main

        monkeypatch.setattr(sys, "argv", ["graft", *(str(argument) for argument in arguments)])
        capfd.readouterr()
        code = 0
        try:
            main()
        except SystemExit as stop:
            code = stop.code if isinstance(stop.code, int) else int(bool(stop.code))
        out, err = capfd.readouterr()
        return Result(code, out, err)

    return run


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """A folder of three classes with ten pictures each."""
    return write_photos(tmp_path / "photos")
