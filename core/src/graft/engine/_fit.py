"""The training loop: a Trainer with everything off that we do ourselves."""

from __future__ import annotations

import gc
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import lightning
import torch
from lightning.fabric.plugins.environments.lightning import LightningEnvironment
from lightning.pytorch.plugins import MixedPrecision
from torch import Tensor

from graft.console import Console
from graft.engine._at_once import fit_at_once
from graft.engine._batch import out_of_memory
from graft.engine._budget import measuring_seconds
from graft.engine._checkpoint import Checkpoints, TrainingState
from graft.engine._clock import Clock, SharedClock, StepClock, TimeClock
from graft.engine._module import Learner
from graft.engine._plan import say_chosen
from graft.engine._quiet import hushed
from graft.engine._record import Recorder, Unrecorded, out_of_patience
from graft.engine._setup import Experiment
from graft.engine._signals import Stopper
from graft.engine._speed import arrange
from graft.engine._team import Team
from graft.errors import TrainingError
from graft.runs.folder import Run
from graft.strategies.anchor import Anchor

_PRECISIONS: Mapping[str, Any] = {"fp32": "32-true", "bf16": "bf16-mixed"}
_ACCELERATORS = {"cpu": "cpu", "cuda": "gpu", "mps": "mps"}


def fit(
    experiment: Experiment,
    run: Run,
    *,
    start: TrainingState | None,
    ends: float | None,
    console: Console,
    stopper: Stopper,
    team: Team,
) -> Experiment:
    """Train from `start`, or from the beginning, to the end; leaves checkpoints and `metrics.jsonl` in `run`.

    When the memory does not suffice, it goes on from the last checkpoint with smaller batches, of which more make one
    step, and the run's recipe says so: it is as if it had been asked for.

    Args:
        experiment: What to train.
        run: Where to.
        start: Where to go on from; None to begin.
        ends: With a budget, when the last measurement shall be over, in seconds of `time.monotonic`.
        console: Says what happens.
        stopper: Is asked at each batch.
        team: Who trains together.

    Returns:
        The experiment as it was carried out in the end.

    Raises:
        TrainingError: When the loss is not finite, the disk refuses, or one image is too much for the memory; with
            several processes, when a batch is.
        Deserted: When another process is gone.
        Stopped: When a signal came.
    """
    pretrained = {name: tensor.clone() for name, tensor in experiment.model.state_dict().items()}
    train = partial(_train, run=run, pretrained=pretrained, ends=ends, console=console, stopper=stopper, team=team)
    while not _fits(train, experiment, start, team):
        gc.collect()
        if experiment.device == "cuda":
            torch.cuda.empty_cache()
        experiment = _with_smaller_batches(experiment)
        console.warn(experiment.choices[-1])
        run.amend(experiment.resolved.to_toml(), experiment.choices)
        start = Checkpoints(run.checkpoints).resume_from(console.warn)
    return experiment


def _fits(train: Callable[..., None], experiment: Experiment, start: TrainingState | None, team: Team) -> bool:
    """Train, and return whether the memory sufficed. A function, so that the failed attempt's tensors are let go."""
    try:
        train(experiment, start)
    except Exception as error:
        if not out_of_memory(error):
            raise
        if not team.alone:
            raise _too_large_for_one(experiment) from error
        return False
    return True


def _train(
    experiment: Experiment,
    start: TrainingState | None,
    *,
    run: Run,
    pretrained: Mapping[str, Tensor],
    ends: float | None,
    console: Console,
    stopper: Stopper,
    team: Team,
) -> None:
    if experiment.resolved.head.fitted:
        fit_at_once(experiment, run, start=start, console=console, stopper=stopper)
        return
    train, strategy = experiment.recipe.train, experiment.recipe.strategy
    recorder = Recorder(experiment, run, console, start, pretrained) if team.leads else Unrecorded(start)
    finished = start.epoch if start is not None else 0
    try:
        if (finished >= train.epochs and ends is None) or out_of_patience(recorder.monitored, train.patience):
            return
        model = experiment.model
        model.load_state_dict(pretrained)
        anchor = Anchor(model, strategy.regularise.l2_sp) if strategy.regularise.l2_sp else None
        if start is not None:
            model.load_state_dict(start.model)
        else:
            learnt = model.head.prepare(experiment.targets_of("train"))
            if learnt and team.leads:
                say_chosen(experiment, run, learnt, console)
        model.backbone.checkpointing = train.gradient_checkpointing
        team.equalise(model.state_dict().values())
        arrange(model, experiment.recipe.speed, console)
        prefixing = experiment.prefixing(console.warn)
        loader, sampler = experiment.train_loader(prefixing)
        validates = _validates(experiment)
        val_loader = experiment.loader("val", shared=True, prefixing=prefixing) if validates else None
        clock = _clock(experiment, batches=len(loader), start=start, ends=ends, team=team)
        if start is not None and clock.over():
            return
        scaler = _scaler(experiment, start)
        epochs = train.epochs - finished if ends is None else None
        total = (train.epochs - finished) * len(loader)
        with console.progress("Train", total=total) as bar, hushed(console):
            learner = Learner(
                experiment,
                loader=loader,
                val_loader=val_loader,
                sampler=sampler,
                clock=clock,
                start=start,
                anchor=anchor,
                scaler=scaler,
                finish_epoch=recorder.finish_epoch,
                progress=bar,
                stopper=stopper,
                team=team,
            )
            trainer = _trainer(experiment, run, epochs=epochs, scaler=scaler)
            try:
                trainer.fit(learner, loader, val_loader)
            finally:
                for one in learner.loaders:
                    one.close()
    finally:
        recorder.flush_log()


def _validates(experiment: Experiment) -> bool:
    """Return whether any validation sample is this process's."""
    return experiment.shard.of(len(experiment.prepared.split["val"])) > 0


def _clock(
    experiment: Experiment, *, batches: int, start: TrainingState | None, ends: float | None, team: Team
) -> Clock:
    train = experiment.recipe.train
    if ends is None:
        return StepClock(train.epochs * -(-batches // train.accumulate))
    if not team.leads:
        return SharedClock(None, team)
    sizes = {split: len(experiment.prepared.split[split]) for split in ("val", "test")}
    measured = sum(sizes.values()) / sizes["val"] if sizes["val"] else 1.0
    reserve = measuring_seconds(experiment)
    clock = TimeClock(ends=ends, reserve=reserve, measured=measured, done=start.share if start is not None else 0.0)
    return clock if team.alone else SharedClock(clock, team)


def _with_smaller_batches(experiment: Experiment) -> Experiment:
    """Return the experiment with its batch divided by its smallest factor and as many more batches per step."""
    train, batch = experiment.recipe.train, experiment.batch
    if batch == 1:
        raise TrainingError(
            "out of memory, with one image per batch",
            fix="set train.gradient_checkpointing=true, a smaller backbone.size, or a smaller backbone",
        )
    factor = _smallest_factor(batch)
    smaller = {"batch": batch // factor, "accumulate": train.accumulate * factor}
    why = f"batch {smaller['batch']} × {smaller['accumulate']}, because the memory did not suffice for {batch}"
    return experiment.changed(why, train=train.model_copy(update=smaller))


def _too_large_for_one(experiment: Experiment) -> TrainingError:
    """Return what to do where the processes would have to change their batches together."""
    batch, accumulate = experiment.batch, experiment.recipe.train.accumulate
    if batch == 1:
        fix = "set train.gradient_checkpointing=true, a smaller backbone.size, or a smaller backbone"
    else:
        factor = _smallest_factor(batch)
        fix = f"begin again with train.batch={batch // factor} train.accumulate={accumulate * factor}: the same steps"
    return TrainingError(f"out of memory, with {batch} images per batch and device", fix=fix)


def _smallest_factor(batch: int) -> int:
    return next(number for number in range(2, batch + 1) if batch % number == 0)


def _scaler(experiment: Experiment, start: TrainingState | None) -> torch.amp.GradScaler | None:
    if experiment.precision != "fp16":
        return None
    scaler = torch.amp.GradScaler("cuda")
    if start is not None and start.scaler is not None:
        scaler.load_state_dict(start.scaler)
    return scaler


def _trainer(
    experiment: Experiment, run: Run, *, epochs: int | None, scaler: torch.amp.GradScaler | None
) -> lightning.Trainer:
    train = experiment.recipe.train
    # We train together by ourselves: Lightning shall not look at who started this process.
    plugins: list[Any] = [LightningEnvironment()]
    if scaler is not None:
        plugins.append(MixedPrecision("16-mixed", "cuda", scaler))
    return lightning.Trainer(
        accelerator=_ACCELERATORS[experiment.device],
        devices=[torch.cuda.current_device()] if experiment.device == "cuda" else 1,
        max_epochs=-1 if epochs is None else epochs,
        accumulate_grad_batches=train.accumulate,
        gradient_clip_val=train.clip or None,
        limit_val_batches=1.0 if _validates(experiment) else 0,
        num_sanity_val_steps=0,
        default_root_dir=run.path,
        use_distributed_sampler=False,
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        plugins=plugins,
        precision=_PRECISIONS.get(experiment.precision),
    )
