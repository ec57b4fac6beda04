"""The work on a run folder, from wherever it stands to its end, and what is recorded when it does not get there."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from contextlib import contextmanager

from graft.console import Console
from graft.engine._checkpoint import TrainingState
from graft.engine._crew import Crew
from graft.engine._finish import finish
from graft.engine._fit import fit
from graft.engine._setup import Experiment
from graft.engine._signals import Stopped, Stopper
from graft.errors import GraftError, InterruptedRun
from graft.runs.folder import Run


def carry_out(
    experiment: Experiment,
    run: Run,
    *,
    start: TrainingState | None,
    ends: float | None,
    crew: Crew,
    console: Console,
    stopper: Stopper,
) -> None:
    """Train, measure and report; `run` is locked by the caller, and `ends` is as `deadline` gives it.

    Raises:
        InterruptedRun: When a signal came; the run can be resumed.
        TrainingError: When it cannot go on.
    """
    with _accounted_for(run, console):
        run.mark("running")
        with crew.at_work(experiment, run) as team:
            experiment = fit(experiment, run, start=start, ends=ends, console=console, stopper=stopper, team=team)
        said = len(console.log)
        try:
            finish(experiment, run, console=console)
        finally:
            run.append("log.txt", console.log[said:])
        run.mark("finished")


@contextmanager
def _accounted_for(run: Run, console: Console) -> Iterator[None]:
    """Record in the run why the block did not end well, if the disk lets us."""
    try:
        yield
    except Stopped as stop:
        with contextlib.suppress(GraftError):
            run.mark("interrupted")
        epochs = len(run.history)
        raise InterruptedRun(
            f"interrupted; {epochs} epochs of {run.path} are saved" if epochs else f"interrupted: {run.path}",
            fix=f"graft resume {run.path}",
            terminated=stop.terminated,
        ) from None
    except BaseException as error:
        with contextlib.suppress(GraftError):
            run.mark("failed", message=str(error) or type(error).__name__)
            run.append("log.txt", [f"Failed   {error}"])
        raise
