"""Training without steps: the network as it is describes every image, and the head is fitted to all descriptions."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from graft.console import Console
from graft.data.batch import Batch
from graft.engine._checkpoint import TrainingState
from graft.engine._plan import say_chosen
from graft.engine._record import Recorder
from graft.engine._seeds import derive, seed_all
from graft.engine._setup import Experiment
from graft.engine._signals import Stopper
from graft.engine._speed import arrange
from graft.engine._tally import Epoch
from graft.errors import Problem, TrainingError
from graft.features.prefix import PrefixLoader
from graft.model import Model
from graft.runs.folder import Run
from graft.runs.measure import groups_of, predict_split
from graft.tasks.contract import Prediction
from graft.tasks.fitted import FittedHead


def fit_at_once(
    experiment: Experiment, run: Run, *, start: TrainingState | None, console: Console, stopper: Stopper
) -> None:
    """Fit the experiment's head, validate it, and record that as the run's one epoch.

    The network is frozen and in eval mode from the start, and calculates as it does for prediction. A run that was
    interrupted before its epoch was whole begins again, to the same weights.

    Args:
        experiment: Its head is a `FittedHead`.
        run: Where to.
        start: The state of an epoch that was finished before: there is nothing left to do.
        console: Says what the head chose.
        stopper: Is asked at each batch.

    Raises:
        TrainingError: When the network gives numbers that are not finite, or the disk refuses.
        Stopped: When a signal came.
    """
    if start is not None:
        return
    recorder = Recorder(experiment, run, console, start, initial={})
    try:
        recorder.finish_epoch(_epoch(experiment, run, console, stopper), _Fitted(experiment.model))
    finally:
        recorder.flush_log()


class _Fitted:
    """What there is of a model's training when it was fitted at once: its weights."""

    def __init__(self, model: Model) -> None:
        self.model = model
        self.cached = True

    def state(self, monitored: list[float | None]) -> TrainingState:
        """Return the state after the one epoch."""
        return TrainingState(epoch=1, share=1.0, monitored=list(monitored), model=self.model.state_dict(), optimizer={})


def _epoch(experiment: Experiment, run: Run, console: Console, stopper: Stopper) -> Epoch:
    began = time.perf_counter()
    model, head = experiment.model, _head(experiment)
    model.to(experiment.device).eval().requires_grad_(False)
    arrange(model, experiment.recipe.speed, console)
    targets = experiment.targets_of("train")
    descriptions = described(experiment, console, stopper)
    seconds = time.perf_counter() - began
    head.cpu()
    seed = derive(experiment.recipe.train.seed, "fit")
    seed_all(seed)
    chosen = head.fit(descriptions, targets, seed=seed, groups=groups_of(experiment.samples("train")))
    stopper.check()
    say_chosen(experiment, run, chosen, console)
    train_loss = _loss(experiment, head, descriptions, targets)
    model.to(experiment.device)
    predictions: list[Prediction] = []
    terms = None
    if experiment.prepared.split["val"]:
        batches = _watched(_loader(experiment, "val", console), stopper)
        predictions, terms = predict_split(model, batches, device=experiment.device)
    return Epoch(
        number=1,
        train_loss=train_loss,
        val_loss=None if terms is None else sum(terms.values()),
        predictions=predictions,
        rates={},
        seconds=time.perf_counter() - began,
        images_per_second=len(targets) / seconds,
    )


def described(experiment: Experiment, console: Console, stopper: Stopper) -> NDArray[np.float32]:
    """Return what the head keeps of each training image, `(N, D)`, in order.

    Raises:
        TrainingError: When a number is not finite; names the images.
    """
    model, head = experiment.model, _head(experiment)
    loader = _loader(experiment, "train", console)
    parts: list[Tensor] = []
    with torch.inference_mode(), console.progress("Describe", total=len(loader)) as bar:
        for batch in _watched(loader, stopper):
            parts.append(head.describe(model.features(batch.to(experiment.device).images)).float().cpu())
            bar.advance()
    descriptions: NDArray[np.float32] = torch.cat(parts).numpy()
    finite = np.isfinite(descriptions).all(axis=1)
    if not finite.all():
        samples = experiment.samples("train")
        problems = [Problem(samples[index].id, "NaN or infinity") for index in np.flatnonzero(~finite)]
        raise TrainingError(
            "the network gives numbers for images that are not finite",
            problems=problems,
            fix="look at these images, or take other weights",
        )
    return descriptions


def _loader(experiment: Experiment, split: str, console: Console) -> PrefixLoader:
    """Return a split's data in order; the embeddings are those of other heads on the same network.

    A pyramid's maps are large, and are needed once: they are not kept.
    """
    embeds = experiment.model.needs == "embedding"
    loader = experiment.loader(split, prefixing=experiment.prefixing(console.warn) if embeds else None)
    loader.begin_at(experiment.model.depth)
    return loader


def _head(experiment: Experiment) -> FittedHead:
    head = experiment.model.head
    assert isinstance(head, FittedHead)  # for the type checker: it was looked at when the experiment was set up
    return head


def _watched(batches: Iterable[Batch], stopper: Stopper) -> Iterator[Batch]:
    for batch in batches:
        stopper.check()
        yield batch


def _loss(experiment: Experiment, head: FittedHead, descriptions: NDArray[np.float32], targets: list[Any]) -> float:
    """Return the head's loss on the images that it was fitted to, a mean over them."""
    total = 0.0
    with torch.inference_mode():
        for first in range(0, len(targets), experiment.batch):
            some = targets[first : first + experiment.batch]
            outputs = head.answer(torch.from_numpy(descriptions[first : first + experiment.batch]))
            terms = head.loss(outputs, experiment.task.collate(some))
            total += len(some) * sum(float(term) for term in terms.values())
    return total / len(targets)
