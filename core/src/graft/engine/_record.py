"""What is kept and said of each epoch: values, a line for people, a checkpoint."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Protocol

from torch import Tensor

from graft.console import Console
from graft.engine._checkpoint import Checkpoints, TrainingState
from graft.engine._setup import Experiment
from graft.engine._tally import Epoch
from graft.evaluation.evaluate import evaluate
from graft.evaluation.metrics import Value
from graft.runs.folder import Run


class Trained(Protocol):
    """What an epoch leaves behind."""

    def state(self, monitored: list[float | None]) -> TrainingState:
        """Return where training stands, for a checkpoint, given the monitored value after each epoch."""

    @property
    def cached(self) -> bool:
        """Whether what goes into the epoch's steps is calculated once for several epochs."""


class Recorder:
    """Records the epochs of a run.

    Args:
        experiment: What is trained.
        run: Where it is recorded.
        console: Says a line per epoch.
        start: Where training goes on from; None when it begins.
        initial: State dict of the model before training.
    """

    def __init__(
        self,
        experiment: Experiment,
        run: Run,
        console: Console,
        start: TrainingState | None,
        initial: Mapping[str, Tensor],
    ) -> None:
        self.experiment = experiment
        self.run = run
        self.console = console
        self.checkpoints = Checkpoints(run.checkpoints, initial)
        self.monitored: list[float | None] = list(start.monitored) if start else []
        self._logged = 0
        # Epochs after the checkpoint were lost with the process and come again.
        kept = [row for row in run.history if row["epoch"] <= len(self.monitored)]
        run.write("metrics.jsonl", "".join(f"{json.dumps(row)}\n" for row in kept))

    def finish_epoch(self, epoch: Epoch, learner: Trained) -> bool:
        """Record an epoch; return whether training should stop early.

        Raises:
            TrainingError: When the disk refuses.
        """
        values = self._measured(epoch)
        monitored = values.get(self.experiment.monitor)
        value = monitored.value if monitored is not None else None
        self.monitored.append(value if value is not None and math.isfinite(value) else None)
        self.run.append("metrics.jsonl", [json.dumps(_row(epoch, values))])
        self.checkpoints.save(replace(learner.state(self.monitored), keep=self.experiment.recipe.train.keep))
        self._say(epoch, value, cached=learner.cached)
        self.flush_log()
        return out_of_patience(self.monitored, self.experiment.recipe.train.patience)

    def flush_log(self) -> None:
        """Write what was said since the last time into the run's log."""
        self.run.append("log.txt", self.console.log[self._logged :])
        self._logged = len(self.console.log)

    def _measured(self, epoch: Epoch) -> Mapping[str, Value]:
        if epoch.val_loss is None:
            return {}
        truth = self.experiment.targets_of("val")
        return evaluate(self.experiment.metrics, epoch.predictions, truth, bootstrap=0, seed=0)

    def _say(self, epoch: Epoch, value: float | None, *, cached: bool) -> None:
        total = self.experiment.recipe.train.epochs
        # With a budget nobody knows how many there will be.
        timed = self.experiment.recipe.train.budget is not None
        parts = [str(epoch.number) if timed else f"{epoch.number}/{total}", f"loss {epoch.train_loss:.3f}"]
        if epoch.val_loss is not None:
            parts.append(f"val loss {epoch.val_loss:.3f}")
        if value is not None:
            best = max(known for known in (*self.monitored, value) if known is not None)
            beside = f" (best {best:.3f})" if self.experiment.recipe.train.keep == "best" else ""
            parts.append(f"val {self.experiment.monitor} {value:.3f}{beside}")
        if "head" in epoch.rates:
            parts.append(f"lr {epoch.rates['head']:.1e}")
        parts.append(f"{epoch.seconds:.0f} s" if epoch.seconds >= 1 else f"{epoch.seconds:.1f} s")
        # What was calculated for the cache, or came from it, makes the first epoch unlike the others.
        if epoch.number == 1 and total > 1 and not timed and not cached:
            parts.append(f"about {duration(epoch.seconds * (total - 1))} left")
        self.console.say("Epoch", "  ".join(parts))


class Unrecorded:
    """Stands for the recorder where another process records.

    Args:
        start: Where training goes on from; None when it begins.
    """

    def __init__(self, start: TrainingState | None) -> None:
        self.monitored: list[float | None] = list(start.monitored) if start else []

    def finish_epoch(self, epoch: Epoch, learner: Trained) -> bool:
        """Return False: stopping is the other's decision."""
        return False

    def flush_log(self) -> None:
        """Do nothing."""


def out_of_patience(monitored: list[float | None], patience: int | None) -> bool:
    """Return whether the best of `monitored`, one value per epoch, is `patience` epochs old."""
    known = [(value, -index) for index, value in enumerate(monitored) if value is not None]
    if patience is None or not known:
        return False
    best = -max(known)[1]
    return len(monitored) - 1 - best >= patience


def _row(epoch: Epoch, values: Mapping[str, Value]) -> dict[str, Any]:
    row: dict[str, Any] = {"epoch": epoch.number, "train.loss": epoch.train_loss}
    if epoch.val_loss is not None:
        row["val.loss"] = epoch.val_loss
    row |= {f"val.{name}": value.value for name, value in values.items()}
    row |= {f"lr.{unit}": rate for unit, rate in epoch.rates.items()}
    row |= {"seconds": round(epoch.seconds, 3), "images_per_second": round(epoch.images_per_second, 1)}
    # JSON knows no NaN.
    return {key: None if isinstance(value, float) and not math.isfinite(value) else value for key, value in row.items()}


def duration(seconds: float) -> str:
    """Return a length of time for people: `12 s`, `4 min`, `2 h 05 min`."""
    if seconds < 90:
        return f"{max(1, round(seconds))} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 90 else f"{minutes // 60} h {minutes % 60:02d} min"
