"""Going on with a run, to the weights that it would have ended with uninterrupted."""

from __future__ import annotations

import json
import time
from dataclasses import replace
from pathlib import Path

from graft import atomic
from graft.console import Console
from graft.engine._checkpoint import Checkpoints
from graft.engine._choose import deadline
from graft.engine._papers import fingerprint
from graft.engine._plan import say_plan
from graft.engine._seeds import undisturbed
from graft.engine._setup import Experiment, set_up
from graft.engine._signals import stoppable
from graft.engine._work import carry_out
from graft.errors import DataError
from graft.plugins import Plugins
from graft.runs.folder import Run


def resume(path: Path, *, plugins: Plugins, console: Console) -> Run:
    """Carry a run on from its last whole checkpoint; one that has finished is left as it is.

    Raises:
        RunError: When `path` is no run, or another process works on it.
        DataError: When the data are not those that it began with.
        UserError: When its recipe cannot be carried out here any more.
        TrainingError: When it cannot go on.
        InterruptedRun: On Ctrl-C or SIGTERM.
    """
    began = time.monotonic()
    run = Run.open(path, plugins=plugins)
    if run.status == "finished":
        console.say("Done", f"{run.path}: already finished")
        return run
    with undisturbed(), stoppable() as stopper, run.locked():
        atomic.sweep(run.path)
        experiment = replace(set_up(run.recipe, plugins=plugins, console=console), choices=tuple(run.choices))
        _check_data(experiment, run)
        say_plan(experiment, console)
        start = Checkpoints(run.checkpoints).resume_from(console.warn)
        console.say("Resume", f"after epoch {start.epoch}" if start else "from the beginning: no epoch was finished")
        spent = sum(row["seconds"] for row in run.history)
        ends = deadline(experiment, began=began, spent=spent)
        carry_out(experiment, run, start=start, ends=ends, console=console, stopper=stopper)
    return run


def _check_data(experiment: Experiment, run: Run) -> None:
    now, then = fingerprint(experiment), json.loads((run.path / "fingerprint.json").read_text("utf-8"))
    if now["sha256"] != then["sha256"]:
        raise DataError(
            f"{experiment.recipe.data.train}: not the data that {run.path} began with "
            f"({then['samples']} samples then, {now['samples']} now; files, labels or the split differ)",
            fix="bring the data back, or begin a new run",
        )
