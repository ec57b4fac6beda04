"""What a time budget is worth here: measured on a few batches, before training begins."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from statistics import median

import torch

from graft.data.batch import Batch
from graft.engine._setup import Experiment
from graft.engine._trial import Trial, autocast

_BATCHES = 4
_LONG = 5.0
_MOST_EPOCHS = 1000


def epochs_in(experiment: Experiment, seconds: float) -> int:
    """Return how many epochs, each with its validation, fit into `seconds`; at least one.

    Measured is the middle of the training as planned so far: what is frozen at first makes the beginning cheaper. The
    experiment's own model stays as it is.
    """
    recipe = experiment.recipe
    loader, sampler = experiment.train_loader()
    trial = Trial(experiment, epoch=recipe.train.epochs // 2)
    # A sharpness-aware step is two.
    twice = 2 if recipe.strategy.regularise.sam else 1
    training = _seconds_per_image(loader, trial.step, experiment.device) * twice * len(sampler)
    validation = _measuring_per_image(experiment, "val") * len(experiment.prepared.split["val"])
    return max(1, min(_MOST_EPOCHS, round(seconds / (training + validation))))


def measuring_seconds(experiment: Experiment) -> float:
    """Return an estimate of one validation and of the measurement on validation and test at the end, together."""
    val, test = (len(experiment.prepared.split[split]) for split in ("val", "test"))
    return _measuring_per_image(experiment, "val" if val else "test") * (2 * val + test)


def _measuring_per_image(experiment: Experiment, split: str) -> float:
    if not experiment.prepared.split[split]:
        return 0.0
    model = experiment.model.eval().to(experiment.device)

    @torch.inference_mode()
    def measure(batch: Batch) -> None:
        with autocast(experiment.device, experiment.precision):
            model(batch.images)

    return _seconds_per_image(experiment.loader(split), measure, experiment.device)


def _seconds_per_image(batches: Iterable[Batch], work: Callable[[Batch], object], device: str) -> float:
    """Return the median over a few batches, loading included; the first one, which warms up, only if it is long."""
    taken: list[float] = []
    began = time.perf_counter()
    for batch in batches:
        work(batch if device == "cpu" else batch.to(device))
        if device == "cuda":
            torch.cuda.synchronize()
        now = time.perf_counter()
        taken.append((now - began) / len(batch))
        if len(taken) == _BATCHES or sum(taken) * len(batch) > _LONG:
            break
        began = time.perf_counter()
    return median(taken[1:] or taken)
