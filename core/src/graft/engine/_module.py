"""Our model as Lightning sees it. The Trainer is a loop and nothing more: what an epoch means is decided here.

Nothing is logged per step: the loss is summed on the device and read once per epoch.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import lightning
import torch
from torch import Tensor

from graft.console import Progress
from graft.data.dataset import Batch, EpochSampler
from graft.data.samples import Sample
from graft.engine._seeds import derive, seed_all
from graft.engine._signals import Stopper
from graft.errors import TrainingError
from graft.model import Model
from graft.recipe.schema import Recipe
from graft.strategies import unfreeze
from graft.strategies.groups import learning_rates, parameter_groups, units
from graft.strategies.schedule import factor
from graft.tasks.contract import Outputs, Prediction

_NAMED = 8


@dataclass(frozen=True, kw_only=True)
class Epoch:
    """What one epoch gave.

    Args:
        number: From 1.
        train_loss: Mean over the batches.
        val_loss: Mean over the validation samples; None without any.
        predictions: For the validation samples, in order.
        rates: Learning rate of each unit in the last step; 0 for those that are frozen.
        seconds: Training and validation together.
        images_per_second: Of training, data loading included.
    """

    number: int
    train_loss: float
    val_loss: float | None
    predictions: list[Prediction]
    rates: Mapping[str, float]
    seconds: float
    images_per_second: float


@dataclass
class _Tally:
    """What is summed up within an epoch."""

    started: float = field(default_factory=time.perf_counter)
    trained: float = 0.0
    images: int = 0
    batches: int = 0
    loss: Tensor | None = None
    val_images: int = 0
    val_loss: Tensor | None = None
    predictions: list[Prediction] = field(default_factory=list)


class Learner(lightning.LightningModule):
    """Trains a model as a recipe says.

    Args:
        model: Its weights are changed in place.
        recipe: Strategy and training.
        samples: The training samples, to name those of a batch that went wrong.
        batches: Training batches per epoch.
        sampler: Is told the epoch.
        start: Number of epochs that are already finished.
        optimizer_state: What to go on from; None to begin.
        scaler: Of the gradients, in fp16.
        fused: Whether the optimizer's step is one kernel.
        finish_epoch: Records an epoch; returns whether to stop.
        progress: Is told of each batch.
        stopper: Is asked at each batch.
    """

    def __init__(
        self,
        model: Model,
        *,
        recipe: Recipe,
        samples: list[Sample],
        batches: int,
        sampler: EpochSampler,
        start: int,
        optimizer_state: dict[str, Any] | None,
        scaler: torch.amp.GradScaler | None,
        fused: bool,
        finish_epoch: Callable[[Epoch, Learner], bool],
        progress: Progress,
        stopper: Stopper,
    ) -> None:
        super().__init__()
        self.model = model
        self.recipe = recipe
        self.samples = samples
        self.batches = batches
        self.sampler = sampler
        self.finished = start
        self.optimizer_state = optimizer_state
        self.scaler = scaler
        self.fused = fused
        self.finish_epoch = finish_epoch
        self.progress = progress
        self.stopper = stopper
        self.steps = -(-batches // recipe.train.accumulate)
        self.sampler.set_epoch(start)
        self._last: tuple[int, Batch, Tensor] | None = None
        self._tally = _Tally()

    # --- what trains, and how fast ---------------------------------------------------------------------------------

    def configure_optimizers(self) -> torch.optim.Optimizer:
        """Return AdamW over all parameters in their groups, in the state that it is to go on from."""
        strategy = self.recipe.strategy
        groups = parameter_groups(
            self.model,
            rates=learning_rates(strategy.pace, units(self.model)),
            weight_decay=strategy.regularise.weight_decay,
        )
        optimizer = torch.optim.AdamW(groups, fused=self.fused)
        if self.optimizer_state is not None:
            optimizer.load_state_dict(self.optimizer_state)
        return optimizer

    def train(self, mode: bool = True) -> Learner:
        """Set the mode; whoever calls it, frozen units stay in eval mode."""
        super().train(mode)
        if mode:
            self.freeze_units()
        return self

    def freeze_units(self) -> None:
        """Freeze what the strategy freezes in the current epoch."""
        unfreeze.apply(self.model, self._frozen())

    # --- training --------------------------------------------------------------------------------------------------

    def on_train_epoch_start(self) -> None:
        """Begin an epoch."""
        self._tally = _Tally()
        # After Lightning, which counts the epochs since it was started, not those since the run began.
        self.sampler.set_epoch(self.finished)
        self.model.train()
        self.freeze_units()

    def on_train_batch_start(self, batch: Batch, batch_idx: int) -> None:
        """Make the batch's random draws and learning rates a function of where it stands."""
        self.stopper.check()
        self._check_loss()
        seed_all(derive(self.recipe.train.seed, self.finished, batch_idx))
        step = self.finished * self.steps + batch_idx // self.recipe.train.accumulate
        scale = factor(self.recipe.strategy.pace, step, self.recipe.train.epochs * self.steps)
        for group in self._groups():
            group["lr"] = group["peak"] * scale

    def training_step(self, batch: Batch, batch_idx: int) -> Tensor:
        """Return the sum of the head's loss terms."""
        loss = torch.stack(list(self.model.head.loss(self.model(batch.images), batch.targets).values())).sum()
        self._last = batch_idx, batch, loss.detach()
        tally = self._tally
        tally.loss = loss.detach() if tally.loss is None else tally.loss + loss.detach()
        tally.images += len(batch)
        tally.batches += 1
        self.progress.advance(note=f"epoch {self.finished + 1}/{self.recipe.train.epochs}")
        # Lightning divides by `accumulate`; the last step of an epoch may be made of fewer batches than that.
        accumulate = self.recipe.train.accumulate
        rest = self.batches % accumulate
        return loss * (accumulate / rest) if rest and batch_idx >= self.batches - rest else loss

    def on_validation_start(self) -> None:
        """Stop the clock of training."""
        self._check_loss()
        self._tally.trained = time.perf_counter() - self._tally.started

    def validation_step(self, batch: Batch, batch_idx: int) -> None:
        """Keep the predictions and sum the loss."""
        self.stopper.check()
        outputs = _in_float32(self.model(batch.images))
        loss = torch.stack(list(self.model.head.loss(outputs, batch.targets).values())).sum() * len(batch)
        tally = self._tally
        tally.val_loss = loss if tally.val_loss is None else tally.val_loss + loss
        tally.val_images += len(batch)
        height, width = batch.images.shape[-2:]
        tally.predictions += self.model.head.decode(outputs, [(height, width)] * len(batch))

    def on_train_epoch_end(self) -> None:
        """Hand the epoch over to be recorded."""
        self._check_loss()
        tally = self._tally
        seconds = time.perf_counter() - tally.started
        frozen = self._frozen()
        self.finished += 1
        epoch = Epoch(
            number=self.finished,
            train_loss=float(tally.loss) / tally.batches if tally.loss is not None else float("nan"),
            val_loss=None if tally.val_loss is None else float(tally.val_loss) / tally.val_images,
            predictions=tally.predictions,
            rates={group["unit"]: 0.0 if group["unit"] in frozen else group["lr"] for group in self._groups()},
            seconds=seconds,
            images_per_second=tally.images / (tally.trained or seconds),
        )
        if self.finish_epoch(epoch, self):
            self.trainer.should_stop = True

    def transfer_batch_to_device(self, batch: Batch, device: torch.device, dataloader_idx: int) -> Batch:
        """Return the batch on the device."""
        return batch if device.type == "cpu" else batch.to(device, non_blocking=True)

    def _frozen(self) -> frozenset[str]:
        return unfreeze.frozen(self.recipe.strategy.unfreeze, list(units(self.model)), self.finished)

    def _groups(self) -> list[dict[str, Any]]:
        optimizer = self.optimizers(use_pl_optimizer=False)
        return optimizer.param_groups  # type: ignore[union-attr]

    def _check_loss(self) -> None:
        """Raise when the last batch's loss is not finite.

        One step late, because by then the device has calculated it: asking at once would make it wait for us.
        """
        if self._last is None:
            return
        number, batch, loss = self._last
        self._last = None
        if torch.isfinite(loss):
            return
        ids = [self.samples[index].id for index in batch.indices.tolist()]
        named = ", ".join(ids[:_NAMED]) + (f" … and {len(ids) - _NAMED} more" if len(ids) > _NAMED else "")
        raise TrainingError(
            f"the loss is {float(loss)} in epoch {self.finished + 1}, batch {number + 1} of {self.batches}; "
            f"its images: {named}",
            fix="lower strategy.pace.lr, use train.precision=fp32, or look at these images and their labels",
        )


def _in_float32(outputs: Outputs) -> Outputs:
    if isinstance(outputs, Tensor):
        return outputs.float() if outputs.is_floating_point() else outputs
    return {name: value.float() if value.is_floating_point() else value for name, value in outputs.items()}
