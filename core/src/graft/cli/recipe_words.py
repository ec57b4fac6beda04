"""The words that say what to train, `[DATA] [KEY=VALUE]…` and shortcuts for some keys: the same for every verb."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from graft.cli.session import Session, session
from graft.errors import Problem, RecipeError, UserError
from graft.plugins import TaskSpec

if TYPE_CHECKING:
    from graft.recipe import ResolvedRecipe

Words = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="[DATA] [KEY=VALUE]…", help="A folder or file of labelled images, and values of the recipe."
    ),
]
RecipeOption = Annotated[Path | None, typer.Option("--recipe", help="A recipe in TOML.", show_default=False)]
BackboneOption = Annotated[str | None, typer.Option("--backbone", help="backbone.kind", show_default=False)]
EpochsOption = Annotated[int | None, typer.Option("--epochs", help="train.epochs", show_default=False)]
DeviceOption = Annotated[str | None, typer.Option("--device", help="train.device", show_default=False)]
SeedOption = Annotated[int | None, typer.Option("--seed", help="train.seed", show_default=False)]

_OVERRIDE = re.compile(r'[A-Za-z_][\w.-]*(\."[^"]*")?\s*=')


def asked(
    task: str, words: Sequence[str] | None, shortcuts: Mapping[str, Any], *, recipe: Path | None, current: Session
) -> ResolvedRecipe:
    """Return the recipe that a command line asks for.

    Args:
        task: The task whose verb was typed.
        words: DATA and overrides.
        shortcuts: Values of options that stand for keys of the recipe; None where one was not given.
        recipe: The file.
        current: Its plugins resolve the names.

    Raises:
        UserError: When there is a second DATA.
        RecipeError: When the recipe has mistakes, or is another task's.
    """
    from graft.recipe import load_recipe
    from graft.recipe.load import read_toml

    data, overrides = _divided(words or [])
    base = {"data.train": data, **shortcuts}
    if recipe is None or "task" not in read_toml(recipe):
        base = {"task.kind": task, **base}
    resolved = load_recipe(recipe, overrides=overrides, base=base, base_source="command line", plugins=current.plugins)
    wanted = current.plugins.find(TaskSpec, task)
    if resolved.task != wanted:
        problem = Problem(f"{recipe.name if recipe else 'command line'}: task", f"is '{resolved.task.name}'")
        raise RecipeError(
            f"the recipe is for another task than '{wanted.name}'",
            problems=[problem],
            fix=f"graft {resolved.task.verb} train …",
        )
    return resolved


def verb(task: str) -> str:
    """Return the word that a task is called by on the command line, for help texts."""
    return session().plugins_or_core.find(TaskSpec, task).verb


def _divided(words: Sequence[str]) -> tuple[str | None, list[str]]:
    """Return DATA, if there is one, and the `key=value` words. A path with `=` in it is written `./a=b`."""
    overrides = [word for word in words if _OVERRIDE.match(word)]
    data = [word for word in words if not _OVERRIDE.match(word)]
    if len(data) > 1:
        others = ", ".join(data[1:])
        raise UserError(f"{others}: expected key=value, DATA is {data[0]} already", fix="as in train.epochs=5")
    return (data[0] if data else None), overrides
