"""`graft report RUN`: write a run's report again."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from graft.cli.session import JsonFlag, QuietFlag, emit, refine

app = typer.Typer(add_completion=False, rich_markup_mode="rich")


@app.command()
def report(
    run: Annotated[Path, typer.Argument(help="A run folder.", show_default=False)],
    device: Annotated[str, typer.Option(help="auto, cpu, cuda or mps.")] = "auto",
    as_json: JsonFlag = False,
    quiet: QuietFlag = False,
) -> None:
    """Write a run's report.html again, from the run folder and its data.

    The images are predicted again. Where the data is not there any more, the report says so in place of pictures.
    """
    session = refine(json=as_json, quiet=quiet)
    from graft.report.rebuild import rebuild_report
    from graft.runs.folder import Run

    opened = Run.open(run, plugins=session.plugins)
    path = rebuild_report(opened, plugins=session.plugins, console=session.console, device=device)
    session.console.say("Report", str(path))
    if session.json:
        emit({"run": run, "report": path, "warnings": session.console.warnings})
