"""`graft resume`: go on with a run that was interrupted."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from graft.cli.recipe_words import say_loading
from graft.cli.session import JsonFlag, QuietFlag, emit, refine
from graft.engine._follow import quietly
from graft.engine._place import launched
from graft.errors import EXIT_USER

app = typer.Typer(add_completion=False)


@app.command()
def resume(
    run: Annotated[Path, typer.Argument(help="The folder of a run.", show_default=False)],
    as_json: JsonFlag = False,
    quiet: QuietFlag = False,
) -> None:
    """Go on with an interrupted run, to the same weights as if it had never stopped.

    Example: graft resume runs/2026-01-31_120000-first-try
    """
    from graft.runs.folder import Run

    if (place := launched()) is not None and place.rank:
        if not run.is_dir():
            raise typer.Exit(EXIT_USER)  # as the leader says
        raise typer.Exit(quietly(place))
    session = refine(json=as_json, quiet=quiet)
    opened = Run.open(run, plugins=session.plugins)
    if opened.status != "finished":
        session.console.say("Start", f"resume {run}")
        say_loading(session.console)

    from graft.cli.train import document
    from graft.engine.resume import resume as carry_on

    finished = carry_on(run, plugins=session.plugins, began=session.began, console=session.console)
    if session.json:
        emit(document(finished.path, finished.results, session.console.warnings))
