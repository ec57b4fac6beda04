"""From a recipe to a finished run."""

from __future__ import annotations

import shutil
import time
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from graft.console import Console
from graft.engine._choose import deadline, make_choices
from graft.engine._crew import gathered
from graft.engine._fit import fit
from graft.engine._follow import follow
from graft.engine._papers import papers
from graft.engine._place import Place, launched
from graft.engine._plan import say_plan
from graft.engine._record import duration
from graft.engine._seeds import undisturbed
from graft.engine._setup import Experiment, set_up
from graft.engine._signals import nothing_written, stoppable
from graft.engine._team import Team
from graft.engine._work import carry_out
from graft.errors import TrainingError
from graft.plugins import Plugins
from graft.recipe.values import budget_seconds
from graft.runs.folder import Run, check_place

if TYPE_CHECKING:
    from graft.recipe import ResolvedRecipe


def train(
    resolved: ResolvedRecipe,
    *,
    plugins: Plugins,
    out: Path,
    name: str | None = None,
    began: float | None = None,
    console: Console,
) -> Run:
    """Carry out a recipe: a new run folder under `out`, with a trained, measured and reported model in it.

    The folder is made when everything has been checked: an error in the recipe, the data or the weights leaves nothing.

    Args:
        resolved: What to do.
        plugins: Who offers its parts.
        out: The folder of runs; made when it is missing.
        name: The run's name; by default date, time, task and architecture. A run is never overwritten.
        began: When the command began, in seconds of `time.monotonic`: a budget counts from then; by default, now.
        console: Says what happens.

    Raises:
        UserError: When something does not fit; nothing was written.
        TrainingError: When training started and cannot go on.
        InterruptedRun: On Ctrl-C or SIGTERM; the run can be resumed.
    """
    began = time.monotonic() if began is None else began
    place = launched()
    if place is not None and place.rank:
        return _followed(place, plugins)
    with undisturbed(), stoppable() as stopper, gathered(place, stopper) as crew:
        with nothing_written():
            check_place(out, name)
            experiment = crew.divided(set_up(resolved, plugins=plugins, console=console))
            ends = deadline(experiment, began=began)
            experiment = make_choices(experiment, ends=ends, console=console)
            say_plan(experiment, console)
            _warn_of_a_full_disk(experiment, out, console)
        run = Run.create(out, name=name, default=_default_name(experiment), files=papers(experiment), plugins=plugins)
        console.say("Run", str(run.path))
        with run.locked():
            carry_out(experiment, run, start=None, ends=ends, crew=crew, console=console, stopper=stopper)
    return run


def _followed(place: Place, plugins: Plugins) -> Run:
    run = follow(place, plugins=plugins)
    if run is None:
        raise TrainingError(f"rank {place.rank} of {place.size}: rank 0 began no run")
    return run


@dataclass(frozen=True)
class Rehearsal:
    """What a dry run found out.

    Args:
        seconds: Estimate of the whole training, validation included.
        bytes: Estimate of the largest size of the run folder.
    """

    seconds: float
    bytes: int


def dry_run(resolved: ResolvedRecipe, *, plugins: Plugins, console: Console) -> Rehearsal:
    """Check everything as `train` does, train and validate on two batches in a temporary folder, and write nothing.

    Raises:
        UserError: When something does not fit.
        TrainingError: When the two batches cannot be trained on.
    """
    with undisturbed(), stoppable() as stopper, nothing_written():
        experiment = set_up(resolved, plugins=plugins, console=console)
        ends = deadline(experiment, began=time.monotonic())
        experiment = make_choices(experiment, ends=ends, console=console)
        say_plan(experiment, console)
        with TemporaryDirectory(prefix="graft-") as folder:
            small = _two_batches(experiment)
            run = Run.create(Path(folder), name=None, default="dry-run", files=papers(small), plugins=plugins)
            fit(small, run, start=None, ends=None, console=Console(quiet=True), stopper=stopper, team=Team())
            row = run.history[0]
            checkpoint = sum(file.stat().st_size for file in run.checkpoints.rglob("*") if file.is_file())
    images = sum(len(experiment.prepared.split[split]) for split in ("train", "val"))
    tried = sum(len(small.prepared.split[split]) for split in ("train", "val"))
    seconds = experiment.recipe.train.epochs * row["seconds"] * images / tried
    if ends is not None:
        seconds = budget_seconds(str(experiment.recipe.train.budget))
    # The last and the best checkpoint, the next one while it is written, and the bundle.
    found = Rehearsal(seconds=seconds, bytes=4 * checkpoint)
    console.say("Dry run", f"about {duration(found.seconds)}, up to {found.bytes / 1e6:,.0f} MB; nothing was written")
    return found


def _two_batches(experiment: Experiment) -> Experiment:
    """Return the experiment on the first samples alone, for one epoch."""
    batch = experiment.batch
    split = experiment.prepared.split
    few = {"train": split["train"][: 2 * batch], "val": split["val"][:batch], "test": ()}
    train = experiment.recipe.train.model_copy(update={"epochs": 1, "budget": None})
    cache = experiment.recipe.cache.model_copy(update={"limit": "0"})
    recipe = experiment.recipe.model_copy(update={"train": train, "cache": cache})
    return replace(
        experiment,
        prepared=replace(experiment.prepared, split=few),
        resolved=replace(experiment.resolved, recipe=recipe),
    )


def _warn_of_a_full_disk(experiment: Experiment, out: Path, console: Console) -> None:
    weights = sum(tensor.nbytes for tensor in experiment.model.state_dict().values())
    # AdamW keeps two numbers per weight. The last and the best checkpoint, the next one being written, and the bundle.
    needed = (3 * 3 + 1) * weights
    there = next(folder for folder in (out.absolute(), *out.absolute().parents) if folder.exists())
    free = shutil.disk_usage(there).free
    if free < needed:
        console.warn(f"{out}: the run may grow to {needed / 1e6:,.0f} MB, and {free / 1e6:,.0f} MB are free there")


def _default_name(experiment: Experiment) -> str:
    return f"{experiment.resolved.task.name}-{experiment.resolved.arch}"
