"""Commands: an app that says what it does, and says mistakes in words."""

from __future__ import annotations

import json
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import typer

from graft.authoring.places import place, place_of_text
from graft.plugins import CommandSpec
from graft.testing.conformance.base import Conformance, Subject

if TYPE_CHECKING:
    from graft.testing.commands import Graft, Result


class CommandConformance(Conformance):
    """What is checked of a command.

    Write `good`, and the command itself is tried.
    """

    kind = CommandSpec

    def good(self, folder: Path) -> Sequence[object] | None:
        """Write what the command needs into an empty folder, which it is typed in; return what stands behind its name.

        None leaves the command itself untried.
        """
        return None

    @pytest.fixture
    def word(self, subject: Subject) -> str:
        """What is typed behind `graft`: its name, or the qualified one where it shares it."""
        found = subject.plugins.commands()
        return next(word for word, spec in found.items() if spec is subject.spec)

    def test_target__is_an_app(self, subject: Subject) -> None:
        """The target is a `typer.Typer`."""
        subject.demand(
            isinstance(subject.target, typer.Typer),
            f"its target is {subject.target!r}",
            expected="a typer.Typer, made with add_completion=False",
            at=subject.place,
        )

    def test_help__says_what_it_does(self, subject: Subject, graft: Graft, word: str) -> None:
        """`--help` works, and has no options of another program."""
        shown = self._typed(subject, graft, word, "--help")
        subject.demand(
            shown.code == 0 and shown.out.strip(),
            f"--help ended with {shown.code}: {shown.err}",
            expected="exit code 0, and help on stdout",
            at=_app(subject),
        )
        subject.demand(
            "--install-completion" not in shown.out,
            "its help offers to install completion, which is Graft's own to do",
            expected="typer.Typer(add_completion=False)",
            at=_app(subject),
        )

    def test_mistakes__are_said_in_words(self, subject: Subject, graft: Graft, word: str) -> None:
        """An unknown option is refused with exit code 2, and without a traceback."""
        refused = self._typed(subject, graft, word, "--surely-no-such-option")
        subject.demand(
            refused.code == 2 and refused.err.strip(),
            f"with an unknown option it ended with {refused.code}, and said {refused.err!r}",
            expected="exit code 2, and words on stderr",
            at=_app(subject),
        )

    def test_command__does_it(self, subject: Subject, graft: Graft, word: str) -> None:
        """With what `good` gives it ends well; with `--json`, where it has that, stdout is one JSON document."""
        words = self.good(graft.folder)
        if words is None:
            return
        done = self._typed(subject, graft, word, *words)
        subject.demand(
            done.code == 0,
            f"{_said(word, words)} ended with {done.code}: {done.err}",
            expected="exit code 0",
            at=_function(subject),
        )
        if "--json" not in self._typed(subject, graft, word, *words, "--help").out:
            return
        answer = self._typed(subject, graft, word, *words, "--json").out
        with subject.doing(
            f"reading what {_said(word, words)} --json prints",
            expected="one JSON document on stdout, and nothing beside it",
            at=_function(subject),
        ):
            json.loads(answer)

    def _typed(self, subject: Subject, graft: Graft, word: str, *words: object) -> Result:
        said = _said(word, words)
        with subject.doing(said, expected="an exit code, and no traceback", at=_function(subject)):
            return graft(word, *words)


def _app(subject: Subject) -> str:
    """Return the place at which the app is made."""
    assert isinstance(subject.spec, CommandSpec)
    return place_of_text(import_module(subject.spec.target.partition(":")[0]), "Typer(")


def _function(subject: Subject) -> str:
    """Return the place of the one function that is the command; of a group, that of its app."""
    functions = [one.callback for one in subject.target.registered_commands]
    alone = len(functions) == 1 and not subject.target.registered_groups
    return place(functions[0]) if alone else _app(subject)


def _said(word: str, words: Sequence[object]) -> str:
    return " ".join(["graft", word, *map(str, words)])
