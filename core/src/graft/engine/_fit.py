"""The training loop: a Trainer with everything off that we do ourselves."""

from __future__ import annotations

from typing import Any

import lightning
import torch
from lightning.pytorch.plugins import MixedPrecision

from graft.console import Console
from graft.engine._checkpoint import TrainingState
from graft.engine._module import Learner
from graft.engine._quiet import hushed
from graft.engine._record import Recorder, out_of_patience
from graft.engine._setup import Experiment
from graft.engine._signals import Stopper
from graft.runs.folder import Run

_PRECISIONS = {"fp32": "32-true", "bf16": "bf16-mixed"}
_ACCELERATORS = {"cpu": "cpu", "cuda": "gpu", "mps": "mps"}


def fit(experiment: Experiment, run: Run, *, start: TrainingState | None, console: Console, stopper: Stopper) -> None:
    """Train from `start`, or from the beginning, to the last epoch; leaves checkpoints and `metrics.jsonl` in `run`.

    Raises:
        TrainingError: When the loss is not finite or the disk refuses.
        Stopped: When a signal came.
    """
    recipe = experiment.recipe
    recorder = Recorder(experiment, run, console, start)
    finished = start.epoch if start is not None else 0
    try:
        if finished >= recipe.train.epochs or out_of_patience(recorder.monitored, recipe.train.patience):
            return
        if start is not None:
            experiment.model.load_state_dict(start.model)
        else:
            experiment.model.head.prepare(experiment.targets_of("train"))
        loader, sampler = experiment.train_loader()
        val_loader = experiment.loader("val") if experiment.prepared.split["val"] else None
        scaler = _scaler(experiment, start)
        with console.progress("Train", total=(recipe.train.epochs - finished) * len(loader)) as bar, hushed(console):
            learner = Learner(
                experiment.model,
                recipe=recipe,
                samples=experiment.samples("train"),
                batches=len(loader),
                sampler=sampler,
                start=finished,
                optimizer_state=start.optimizer if start is not None else None,
                scaler=scaler,
                # Lightning does not clip gradients for a fused step in mixed precision.
                fused=experiment.precision == "fp32" and experiment.device in ("cpu", "cuda"),
                finish_epoch=recorder.finish_epoch,
                progress=bar,
                stopper=stopper,
            )
            trainer = _trainer(experiment, run, epochs=recipe.train.epochs - finished, scaler=scaler)
            trainer.fit(learner, loader, val_loader)
    finally:
        recorder.flush_log()


def _scaler(experiment: Experiment, start: TrainingState | None) -> torch.amp.GradScaler | None:
    if experiment.precision != "fp16":
        return None
    scaler = torch.amp.GradScaler("cuda")
    if start is not None and start.scaler is not None:
        scaler.load_state_dict(start.scaler)
    return scaler


def _trainer(
    experiment: Experiment, run: Run, *, epochs: int, scaler: torch.amp.GradScaler | None
) -> lightning.Trainer:
    train = experiment.recipe.train
    precision: dict[str, Any] = {"precision": _PRECISIONS.get(experiment.precision)}
    if scaler is not None:
        precision = {"plugins": [MixedPrecision("16-mixed", "cuda", scaler)]}
    return lightning.Trainer(
        accelerator=_ACCELERATORS[experiment.device],
        devices=1,
        max_epochs=epochs,
        accumulate_grad_batches=train.accumulate,
        gradient_clip_val=train.clip or None,
        limit_val_batches=1.0 if experiment.prepared.split["val"] else 0,
        num_sanity_val_steps=0,
        default_root_dir=run.path,
        use_distributed_sampler=False,
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        **precision,
    )
