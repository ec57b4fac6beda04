"""`graft TASK train`: from a folder of images, or a recipe, to a run."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from graft.cli.recipe_words import (
    BackboneOption,
    DeviceOption,
    EpochsOption,
    RecipeCommand,
    RecipeOption,
    SeedOption,
    Words,
    announce,
    asked,
    verb,
)
from graft.cli.session import JsonFlag, QuietFlag, emit, refine
from graft.engine._follow import quietly
from graft.engine._place import launched

_HELP = """Train on DATA, or as a recipe says; leave a run folder with model, results and report.

Examples:

  graft {verb} train photos/

  graft {verb} train photos/ --backbone resnet50 --epochs 30 strategy=fixed

  graft {verb} train --recipe recipe.toml train.seed=1 --name second-try
"""


def register(app: typer.Typer, task: str) -> None:
    """Add `train` to the command group of `task`."""

    @app.command(cls=RecipeCommand, help=_HELP.format(verb=verb(task)))
    def train(
        words: Words = None,
        recipe: RecipeOption = None,
        out: Annotated[Path, typer.Option(help="The folder of runs.")] = Path("runs"),
        name: Annotated[
            str | None, typer.Option(help="The run's name; by default date, time, task and backbone.")
        ] = None,
        backbone: BackboneOption = None,
        epochs: EpochsOption = None,
        device: DeviceOption = None,
        devices: Annotated[
            int | None, typer.Option("--devices", help="train.devices, of this machine.", show_default=False)
        ] = None,
        seed: SeedOption = None,
        dry_run: Annotated[
            bool, typer.Option("--dry-run", help="Check everything and train two batches; write nothing.")
        ] = False,
        as_json: JsonFlag = False,
        quiet: QuietFlag = False,
    ) -> None:
        if (place := launched()) is not None and place.rank:
            raise typer.Exit(0 if dry_run else quietly(place))
        session = refine(json=as_json, quiet=quiet)
        shortcuts = {
            "backbone.kind": backbone,
            "train.epochs": epochs,
            "train.device": device,
            "train.devices": devices,
            "train.seed": seed,
        }
        resolved = asked(task, words, shortcuts, recipe=recipe, current=session)
        announce(resolved, session.console)

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
