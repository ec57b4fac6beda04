"""What a person sees while Graft works: labelled lines, warnings and progress, all on stderr.

On a terminal progress is one live bar; elsewhere it is silent, and the lines that the work itself says are the record.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from rich.console import Console as RichConsole


class Progress(Protocol):
    """A bar that is being filled."""

    def advance(self, steps: int = 1, note: str = "") -> None:
        """Go on by `steps`; `note` is shown beside the bar."""


class _Silent:
    def advance(self, steps: int = 1, note: str = "") -> None:
        pass


class Console:
    """Says what happens.

    Args:
        quiet: Say nothing but warnings.

    Attributes:
        warnings: Every warning so far, for `--json`.
        log: Lines said so far, without colours, for the run's log.
    """

    def __init__(self, *, quiet: bool = False) -> None:
        self.quiet = quiet
        self.warnings: list[str] = []
        self.log: list[str] = []
        self._live: RichConsole | None = None

    def say(self, label: str, text: str) -> None:
        """Print `text` behind a label of one word: `Data`, `Split`, `Model`, `Epoch`, `Done`."""
        self.log.append(f"{label:<8} {text}")
        if not self.quiet:
            self._print(f"{label:<8}", text, style="bold cyan")

    def warn(self, text: str) -> None:
        """Print a warning and remember it."""
        self.warnings.append(text)
        self.log.append(f"Warning  {text}")
        self._print("Warning ", text, style="bold yellow")

    @contextmanager
    def progress(self, label: str, total: int) -> Iterator[Progress]:
        """Show a bar with the time left on a terminal; show nothing elsewhere."""
        if self.quiet or not sys.stderr.isatty():
            yield _Silent()
            return
        from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
        from rich.progress import Progress as RichProgress

        columns = (
            TextColumn("[bold cyan]{task.description:<8}"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("{task.fields[note]}"),
            TimeRemainingColumn(),
        )
        self._live = _rich_console()
        with RichProgress(*columns, console=self._live, transient=True) as bar:
            task = bar.add_task(label, total=total, note="")

            class _Live:
                def advance(self, steps: int = 1, note: str = "") -> None:
                    bar.update(task, advance=steps, note=note)

            try:
                yield _Live()
            finally:
                self._live = None

    def _print(self, label: str, text: str, *, style: str) -> None:
        from rich.text import Text

        # Through the bar's own console, which moves the bar out of the way. soft_wrap: a path must stay one word that
        # can be copied.
        console = self._live or _rich_console()
        console.print(Text.assemble((label, style), " ", text), soft_wrap=True)


def _rich_console() -> RichConsole:
    from rich.console import Console as RichConsole

    return RichConsole(stderr=True, highlight=False)
