"""`graft TASK train`: from a folder of images, or a recipe, to a run."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from graft.cli.recipe_words import (
    BackboneOption,
    DeviceOption,
    DomainOption,
    EpochsOption,
    RecipeCommand,
    RecipeOption,
    SeedOption,
    Words,
    announce,
    asked,
    verb,
)
from graft.cli.session import JsonFlag, QuietFlag, emit, refine, session
from graft.engine._follow import Mute, quietly
from graft.engine._place import check_machines, launched
from graft.errors import GraftError
from graft.plugins import ReaderSpec, TaskSpec

_HELP = """Train on DATA, or as a recipe says; leave a run folder with model, results and report.

Examples:

  graft {verb} train photos/

  graft {verb} train photos/ --backbone resnet50 --epochs 30 strategy=fixed

  graft {verb} train scans/ --domain NAME

  graft {verb} train --recipe recipe.toml train.seed=1 --name second-try

DATA is what one of these readers knows:

{layouts}
"""


def register(app: typer.Typer, task: str) -> None:
    """Add `train` to the command group of `task`."""

    @app.command(cls=RecipeCommand, help=_HELP.format(verb=verb(task), layouts=_layouts(task)))
    def train(
        words: Words = None,
        recipe: RecipeOption = None,
        out: Annotated[Path, typer.Option(help="The folder of runs.")] = Path("runs"),
        name: Annotated[
            str | None, typer.Option(help="The run's name; by default date, time, task and backbone.")
        ] = None,
        domain: DomainOption = None,
        backbone: BackboneOption = None,
        epochs: EpochsOption = None,
        device: DeviceOption = None,
        devices: Annotated[
            int | None, typer.Option("--devices", help="train.devices, of this machine.", show_default=False)
        ] = None,
        nodes: Annotated[
            int | None,
            typer.Option(
                "--nodes",
                min=1,
                help="Machines that train together; refused unless torchrun or srun started so many.",
                show_default=False,
            ),
        ] = None,
        budget: Annotated[
            str | None, typer.Option("--budget", help="train.budget, as in 10m", show_default=False)
        ] = None,
        seed: SeedOption = None,
        dry_run: Annotated[
            bool, typer.Option("--dry-run", help="Check everything and train two batches; write nothing.")
        ] = False,
        as_json: JsonFlag = False,
        quiet: QuietFlag = False,
    ) -> None:
        place = launched()
        follows = place is not None and place.rank > 0
        session = refine(json=as_json, quiet=quiet)
        console = Mute(quiet=True) if follows else session.console
        shortcuts = {
            "domain.kind": domain,
            "backbone.kind": backbone,
            "train.epochs": epochs,
            "train.device": device,
            "train.devices": devices,
            "train.budget": budget,
            "train.seed": seed,
        }
        try:
            resolved = asked(task, words, shortcuts, recipe=recipe, current=session)
            command = shlex.join(["graft", *sys.argv[1:]])
            check_machines(nodes, place, devices=resolved.recipe.train.devices, command=command)
            announce(resolved, console)
        except GraftError as error:
            # The leader says what is wrong, and comes to no meeting: nobody shall wait for it there.
            raise (typer.Exit(error.exit_code) if follows else error) from None
        if place is not None and follows:
            raise typer.Exit(0 if dry_run else quietly(place))

        from graft.engine import train as engine

        if dry_run:
            found = engine.dry_run(resolved, plugins=session.plugins, console=session.console)
            if session.json:
                emit(
                    {"dry_run": {"seconds": found.seconds, "bytes": found.bytes}, "warnings": session.console.warnings}
                )
            return
        run = engine.train(
            resolved, plugins=session.plugins, out=out, name=name, began=session.began, console=session.console
        )
        if session.json:
            emit(document(run.path, run.results, session.console.warnings))


def document(run: Path, results: dict[str, Any], warnings: Sequence[str]) -> dict[str, Any]:
    """Return the JSON document about a finished run."""
    return {"run": run, "metrics": results["metrics"], "seconds": results["seconds"], "warnings": list(warnings)}


def _layouts(task: str) -> str:
    """Return a line for each reader that serves a task."""
    plugins = session().plugins_or_core
    own = plugins.specs(TaskSpec).get(task)
    readers = plugins.specs(ReaderSpec).items()
    return "\n\n".join(f"  {name}: {spec.summary}" for name, spec in readers if own and spec.gives == own.takes)
