"""Going on with a run, to the weights that it would have ended with uninterrupted."""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path

from graft import atomic
from graft.console import Console
from graft.engine._checkpoint import Checkpoints
from graft.engine._choose import deadline
from graft.engine._crew import Crew, gathered
from graft.engine._follow import follow
from graft.engine._papers import check_data, check_processes
from graft.engine._place import launched
from graft.engine._plan import say_plan
from graft.engine._seeds import undisturbed
from graft.engine._setup import set_up
from graft.engine._signals import Stopper, stoppable
from graft.engine._work import carry_out
from graft.plugins import Plugins
from graft.runs.folder import Run


def resume(path: Path, *, plugins: Plugins, began: float | None = None, console: Console) -> Run:
    """Carry a run on from its last whole checkpoint; one that has finished is left as it is.

    Args:
        path: The run's folder.
        plugins: Who offers the parts of its recipe.
        began: When the command began, in seconds of `time.monotonic`: what is left of a budget counts from then; by
            default, now.
        console: Says what happens.

    Raises:
        RunError: When `path` is no run, or another process works on it.
        DataError: When the data are not those that it began with.
        UserError: When its recipe cannot be carried out here any more.
        TrainingError: When it cannot go on.
        InterruptedRun: On Ctrl-C or SIGTERM.
    """
    began = time.monotonic() if began is None else began
    place = launched()
    if place is not None and place.rank:
        return follow(place, plugins=plugins) or Run.open(path, plugins=plugins)
    with undisturbed(), stoppable() as stopper, gathered(place, stopper) as crew:
        run = Run.open(path, plugins=plugins)
        if run.status == "finished":
            console.say("Done", f"{run.path}: already finished")
            return run
        with run.locked():
            _go_on(run, crew, began=began, console=console, stopper=stopper)
    return run


def _go_on(run: Run, crew: Crew, *, began: float, console: Console, stopper: Stopper) -> None:
    atomic.sweep(run.path)
    experiment = replace(set_up(run.recipe, plugins=run.plugins, console=console), choices=tuple(run.choices))
    check_data(experiment, run)
    experiment = crew.divided(experiment)
    check_processes(experiment, run)
    say_plan(experiment, console)
    start = Checkpoints(run.checkpoints).resume_from(console.warn)
    console.say("Resume", f"after epoch {start.epoch}" if start else "from the beginning: no epoch was finished")
    spent = sum(row["seconds"] for row in run.history)
    ends = deadline(experiment, began=began, spent=spent)
    carry_out(experiment, run, start=start, ends=ends, crew=crew, console=console, stopper=stopper)
