"""The words that say what to train, `[DATA] [KEY=VALUE]…` and shortcuts for some keys: the same for every verb."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer.core import TyperCommand

from graft.cli.session import Session, session
from graft.errors import Problem, RecipeError, UserError
from graft.plugins import TaskSpec

if TYPE_CHECKING:
    from graft.console import Console
    from graft.recipe import ResolvedRecipe

Words = Annotated[
    list[str] | None,
    typer.Argument(metavar="[DATA] [KEY=VALUE]…", help="A folder or file of images, and values of the recipe."),
]
RecipeOption = Annotated[Path | None, typer.Option("--recipe", help="A recipe in TOML.", show_default=False)]
BackboneOption = Annotated[str | None, typer.Option("--backbone", help="backbone.kind", show_default=False)]
DomainOption = Annotated[
    str | None, typer.Option("--domain", help="domain.kind: where the images come from.", show_default=False)
]
EpochsOption = Annotated[int | None, typer.Option("--epochs", help="train.epochs", show_default=False)]
DeviceOption = Annotated[str | None, typer.Option("--device", help="train.device", show_default=False)]
SeedOption = Annotated[int | None, typer.Option("--seed", help="train.seed", show_default=False)]

_OVERRIDE = re.compile(r'[A-Za-z_][\w.-]*(\."[^"]*")?\s*=')


class RecipeCommand(TyperCommand):
    """A command that takes a recipe: an unknown option that is the recipe's key is answered with that key."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Parse.

        Raises:
            UserError: When an unknown option is called as a key of the recipe is, with what to type instead.
        """
        given = list(args)
        try:
            return super().parse_args(ctx, args)
        except Exception as error:
            # By its name, since Typer has a copy of click's errors of its own.
            option = getattr(error, "option_name", "") if type(error).__name__ == "NoSuchOption" else ""
            if override := _as_override(option, given):
                raise UserError(f"there is no option {option}: it is a key of the recipe", fix=override) from None
            raise


def _is_recipe(path: Path) -> bool:
    """Return whether a TOML file is a recipe; others may describe images that a decoder draws."""
    from graft.recipe import Recipe
    from graft.recipe.load import read_toml

    return path.is_file() and not Recipe.model_fields.keys().isdisjoint(read_toml(path))


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
        UserError: When there is no DATA anywhere, a second one, or one that is a recipe.
        RecipeError: When the recipe has mistakes, or is another task's.
    """
    from graft.recipe import load_recipe
    from graft.recipe.load import read_toml

    data, overrides = _divided(words or [])
    if data is not None and data.endswith(".toml") and _is_recipe(Path(data)):
        raise UserError(f"{data} is a recipe, and DATA is a folder or a table of images", fix=f"--recipe {data}")
    if recipe is None and data is None and not any(re.match(r"data\s*[.=]", text) for text in overrides):
        raise UserError("there is no data: name a folder or a table", fix=f"graft {verb(task)} train photos/")
    base = {key: value for key, value in {"data.train": data, **shortcuts}.items() if value is not None}
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


def announce(resolved: ResolvedRecipe, console: Console) -> None:
    """Say what begins, and that loading torch takes a while; data that is not there is said before that.

    Raises:
        DataError: When there is no such data.
    """
    from graft.data.prepare import check_paths

    console.say("Start", f"{resolved.task.verb} {resolved.recipe.data.train}")
    check_paths(resolved.recipe.data)
    say_loading(console)


def say_loading(console: Console) -> None:
    """Say why nothing happens for a while: importing torch, Lightning and timm takes up to 20 s on a slow disk."""
    console.say("Load", "torch and what stands on it, which takes some seconds")


def _as_override(option: str, arguments: Sequence[str]) -> str | None:
    """Return what to type instead of an unknown option: `strategy.pace.lr=0.1` for `--lr 0.1`."""
    from graft.recipe import Recipe
    from graft.recipe.mistakes import place

    key = place(Recipe.model_json_schema(), option.lstrip("-").replace("-", "_"))
    if key is None:
        return None
    for argument, follows in zip(arguments, [*arguments[1:], ""], strict=True):
        name, equals, value = argument.partition("=")
        if name == option:
            return f"{key}={value if equals else follows}"
    return f"{key}="


def _divided(words: Sequence[str]) -> tuple[str | None, list[str]]:
    """Return DATA, if there is one, and the `key=value` words. A path with `=` in it is written `./a=b`."""
    overrides = [word for word in words if _OVERRIDE.match(word)]
    data = [word for word in words if not _OVERRIDE.match(word)]
    if len(data) > 1:
        others = ", ".join(data[1:])
        raise UserError(f"{others}: expected key=value, DATA is {data[0]} already", fix="as in train.epochs=5")
    return (data[0] if data else None), overrides
