"""One tree of errors for users, and the exit codes that go with it.

A user's mistake is never a traceback. Each error says what was given, what fits, and what to type next; an input
with several mistakes is refused once, with all of them. Anything that is not a `GraftError` is a bug.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

EXIT_FAILED = 1
EXIT_USER = 2
EXIT_INTERRUPTED = 130
EXIT_TERMINATED = 143

_SHOWN = 10


@dataclass(frozen=True)
class Problem:
    """One mistake: where it is (`recipe.toml: head.dropuot`, `labels.csv line 17`), what it is, and a hint."""

    where: str
    what: str
    hint: str | None = None

    def __str__(self) -> str:
        text = f"{self.where}: {self.what}" if self.where else self.what
        return f"{text} ({self.hint})" if self.hint else text


class GraftError(Exception):
    """Base of everything that is shown to a user as text.

    Args:
        message: One sentence: what was given and what is wrong with it.
        problems: The single mistakes, when there can be several. All are kept; the text shows the first ten.
        fix: What to type or change next.
    """

    exit_code = EXIT_FAILED

    def __init__(self, message: str, *, problems: Sequence[Problem] = (), fix: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.problems = tuple(problems)
        self.fix = fix

    def __str__(self) -> str:
        lines = [self.message]
        lines += [f"  {problem}" for problem in self.problems[:_SHOWN]]
        if len(self.problems) > _SHOWN:
            lines.append(f"  … and {len(self.problems) - _SHOWN} more")
        if self.fix:
            lines.append(f"Fix: {self.fix}")
        return "\n".join(lines)


class UserError(GraftError):
    """The input is wrong: nothing was started and nothing was written."""

    exit_code = EXIT_USER


class RecipeError(UserError):
    """A recipe, or an override on the command line, does not fit the schema or a part's own options."""


class DataError(UserError):
    """A data set, an image, an annotation file or a split cannot be used as it is."""


class WeightsError(UserError):
    """Weights cannot be found, read safely, or matched to an architecture."""


class PluginError(UserError):
    """A name belongs to no plugin, to two plugins, or to a broken one."""


class RunError(UserError):
    """A run folder or a bundle is missing, incomplete, from another version, or in use."""


class OfflineError(UserError):
    """Something would need the network, and it is switched off or cannot be reached."""


class TrainingError(GraftError):
    """Training started and could not go on: a loss that is not finite, a full disk, a lost worker."""


class InterruptedRun(GraftError):
    """Ctrl-C or SIGTERM; the run can be resumed."""

    exit_code = EXIT_INTERRUPTED

    def __init__(self, message: str, *, fix: str | None = None, terminated: bool = False) -> None:
        super().__init__(message, fix=fix)
        if terminated:
            self.exit_code = EXIT_TERMINATED


def did_you_mean(given: str, known: Iterable[str]) -> str | None:
    """Return `did you mean 'x'?` for the closest of `known`, or None when nothing is close."""
    close = difflib.get_close_matches(given, list(known), n=1, cutoff=0.6)
    return f"did you mean '{close[0]}'?" if close else None
