"""`graft TASK train`: from a folder of images, or a recipe, to a run."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from graft.cli.session import JsonFlag, QuietFlag, Session, emit, refine
from graft.errors import Problem, RecipeError, UserError
from graft.plugins import TaskSpec

if TYPE_CHECKING:
    from graft.recipe import ResolvedRecipe

_OVERRIDE = re.compile(r'[A-Za-z_][\w.-]*(\."[^"]*")?\s*=')

_HELP = """Train on DATA, or as a recipe says; leave a run folder with model, results and report.

Examples:

  graft {verb} train photos/

  graft {verb} train photos/ --backbone resnet50 --epochs 30 strategy=fixed

  graft {verb} train --recipe recipe.toml train.seed=1 --name second-try
"""


def register(app: typer.Typer, task: str) -> None:
    """Add `train` to the command group of `task`."""

    @app.command(help=_HELP.format(verb=_verb(task)))
    def train(
        words: Annotated[
            list[str] | None,
            typer.Argument(
                metavar="[DATA] [KEY=VALUE]…", help="A folder or file of labelled images, and values of the recipe."
            ),
        ] = None,
        recipe: Annotated[Path | None, typer.Option(help="A recipe in TOML.", show_default=False)] = None,
        out: Annotated[Path, typer.Option(help="The folder of runs.")] = Path("runs"),
        name: Annotated[
            str | None, typer.Option(help="The run's name; by default date, time, task and backbone.")
        ] = None,
        backbone: Annotated[str | None, typer.Option(help="backbone.kind", show_default=False)] = None,
        epochs: Annotated[int | None, typer.Option(help="train.epochs", show_default=False)] = None,
        device: Annotated[str | None, typer.Option(help="train.device", show_default=False)] = None,
        seed: Annotated[int | None, typer.Option(help="train.seed", show_default=False)] = None,
        dry_run: Annotated[
            bool, typer.Option("--dry-run", help="Check everything and train two batches; write nothing.")
        ] = False,
        as_json: JsonFlag = False,
        quiet: QuietFlag = False,
    ) -> None:
        session = refine(json=as_json, quiet=quiet)
        data, overrides = _divided(words or [])
        base = {
            "data.train": data,
            "backbone.kind": backbone,
            "train.epochs": epochs,
            "train.device": device,
            "train.seed": seed,
        }
        resolved = _resolved(task, recipe, base, overrides, session)
        session.console.say("Start", f"{resolved.task.verb} {resolved.recipe.data.train}")

        from graft.engine import train as engine

        if dry_run:
            found = engine.dry_run(resolved, plugins=session.plugins, console=session.console)
            if session.json:
                emit(
                    {"dry_run": {"seconds": found.seconds, "bytes": found.bytes}, "warnings": session.console.warnings}
                )
            return
        run = engine.train(resolved, plugins=session.plugins, out=out, name=name, console=session.console)
        if session.json:
            emit(document(run.path, run.results, session.console.warnings))


def document(run: Path, results: dict[str, Any], warnings: Sequence[str]) -> dict[str, Any]:
    """Return the JSON document about a finished run."""
    return {"run": run, "metrics": results["metrics"], "seconds": results["seconds"], "warnings": list(warnings)}


def _divided(words: Sequence[str]) -> tuple[str | None, list[str]]:
    """Return DATA, if there is one, and the `key=value` words. A path with `=` in it is written `./a=b`."""
    overrides = [word for word in words if _OVERRIDE.match(word)]
    data = [word for word in words if not _OVERRIDE.match(word)]
    if len(data) > 1:
        others = ", ".join(data[1:])
        raise UserError(f"{others}: expected key=value, DATA is {data[0]} already", fix="as in train.epochs=5")
    return (data[0] if data else None), overrides


def _resolved(
    task: str, recipe: Path | None, base: dict[str, Any], overrides: Sequence[str], session: Session
) -> ResolvedRecipe:
    from graft.recipe import load_recipe

    if recipe is None or "task" not in _read(recipe):
        base = {"task.kind": task, **base}
    resolved = load_recipe(recipe, overrides=overrides, base=base, base_source="command line", plugins=session.plugins)
    wanted = session.plugins.find(TaskSpec, task)
    if resolved.task != wanted:
        problem = Problem(f"{recipe.name if recipe else 'command line'}: task", f"is '{resolved.task.name}'")
        raise RecipeError(
            f"the recipe is for another task than '{wanted.name}'",
            problems=[problem],
            fix=f"graft {resolved.task.verb} train …",
        )
    return resolved


def _read(path: Path) -> dict[str, Any]:
    from graft.recipe.load import read_toml

    return read_toml(path)


def _verb(task: str) -> str:
    from graft.cli.session import session

    return session().plugins_or_core.find(TaskSpec, task).verb
