from __future__ import annotations

import io
import re
from contextlib import redirect_stderr

import pytest

from graft.console import Console


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> Terminal:
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.delenv("NO_COLOR", raising=False)
    return Terminal()


def test_say__moves_the_bar_out_of_the_way(terminal: Terminal) -> None:
    console = Console()
    with redirect_stderr(terminal), console.progress("Train", total=2) as bar:
        bar.advance(note="epoch 1/2")
        console.say("Epoch", "1/2  loss 0.3")
        bar.advance()
    lines = [line for line in shown(terminal.getvalue()) if line]
    assert "Epoch    1/2  loss 0.3" in lines
    with redirect_stderr(terminal):
        console.say("Done", "well")
    assert shown(terminal.getvalue())[-2] == "Done     well"


def test_progress__leaves_the_screen_as_it_was_after_an_error(terminal: Terminal) -> None:
    console = Console()

    def fail() -> None:
        with redirect_stderr(terminal), console.progress("Train", total=2):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fail()
    with redirect_stderr(terminal):
        console.warn("stopped")
    assert [line for line in shown(terminal.getvalue()) if line] == ["Warning  stopped"]
    assert console.warnings == ["stopped"]


def test_progress__is_silent_without_a_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    console = Console()
    with console.progress("Train", total=2) as bar:
        bar.advance()
    assert capsys.readouterr() == ("", "")


def test_quiet__warns_only(capsys: pytest.CaptureFixture[str]) -> None:
    console = Console(quiet=True)
    console.say("Data", "some")
    console.warn("beware")
    assert capsys.readouterr() == ("", "Warning  beware\n")
    assert console.log == ["Data     some", "Warning  beware"]


def shown(output: str) -> list[str]:
    """Return the lines that a terminal shows after `output`: it knows colours, `\\r`, erasing a line and moving up."""
    lines, row = [""], 0
    for part in re.findall(r"\x1b\[[0-9;?]*[A-Za-z]|\r|\n|[^\x1b\r\n]+", output):
        if part == "\n":
            row += 1
            lines += [""] * (row + 1 - len(lines))
        elif part == "\x1b[2K" or part == "\r":
            lines[row] = "" if part == "\x1b[2K" else lines[row]
        elif part == "\x1b[1A":
            row -= 1
        elif not part.startswith("\x1b"):
            lines[row] += part
    return lines
