"""From a recipe to a finished run."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from graft.console import Console
from graft.engine._papers import papers
from graft.engine._plan import say_plan
from graft.engine._seeds import undisturbed
from graft.engine._setup import Experiment, set_up
from graft.engine._signals import Stopped, stoppable
from graft.engine._work import carry_out
from graft.errors import InterruptedRun
from graft.plugins import Plugins
from graft.runs.folder import Run, new_path

if TYPE_CHECKING:
    from graft.recipe import ResolvedRecipe


def train(resolved: ResolvedRecipe, *, plugins: Plugins, out: Path, name: str | None = None, console: Console) -> Run:
    """Carry out a recipe: a new run folder under `out`, with a trained, measured and reported model in it.

    The folder is made when everything has been checked: an error in the recipe, the data or the weights leaves nothing.

    Args:
        resolved: What to do.
        plugins: Who offers its parts.
        out: The folder of runs; made when it is missing.
        name: The run's name; by default date, time, task and architecture. A run is never overwritten.
        console: Says what happens.

    Raises:
        UserError: When something does not fit; nothing was written.
        TrainingError: When training started and cannot go on.
        InterruptedRun: On Ctrl-C or SIGTERM; the run can be resumed.
    """
    if name is not None:
        new_path(out, name)
    with undisturbed(), stoppable() as stopper:
        with _nothing_written():
            experiment = set_up(resolved, plugins=plugins, console=console)
            say_plan(experiment, console)
        run = Run.create(out, name=name, default=_default_name(experiment), files=papers(experiment), plugins=plugins)
        console.say("Run", str(run.path))
        with run.locked():
            carry_out(experiment, run, start=None, console=console, stopper=stopper)
    return run


@contextmanager
def _nothing_written() -> Iterator[None]:
    try:
        yield
    except Stopped as stop:
        raise InterruptedRun(
            "interrupted before the run began; nothing was written", terminated=stop.terminated
        ) from None


def _default_name(experiment: Experiment) -> str:
    return f"{experiment.resolved.task.name}-{experiment.resolved.arch}"
