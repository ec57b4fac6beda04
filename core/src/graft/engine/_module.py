"""Our model as Lightning sees it. The Trainer is a loop and nothing more: what an epoch means is decided here.

Nothing is logged per step: the loss is summed on the device and read once per epoch.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import lightning
import torch
from timm.utils import ModelEmaV3
from torch import Tensor

from graft.console import Progress
from graft.data.batch import Batch
from graft.data.sampler import EpochSampler
from graft.data.shards import ShardedSampler
from graft.engine._checkpoint import TrainingState
from graft.engine._clock import Clock
from graft.engine._loss import total, training_loss
from graft.engine._seeds import derive, seed_all
from graft.engine._setup import Experiment
from graft.engine._signals import Stopper
from graft.engine._tally import Epoch, Tally, together
from graft.engine._team import Team
from graft.errors import TrainingError
from graft.features.prefix import PrefixLoader, frozen_depth
from graft.model import Model
from graft.strategies import unfreeze
from graft.strategies.anchor import Anchor
from graft.strategies.groups import learning_rates, parameter_groups, units
from graft.strategies.optimizers import build_optimizer
from graft.strategies.sam import climbed, same_statistics
from graft.strategies.schedule import factor
from graft.tasks.contract import Outputs

_NAMED = 8


class Learner(lightning.LightningModule):
    """Trains a model as a recipe says.

    Args:
        experiment: Its model's weights are changed in place.
        loader: The training batches.
        val_loader: The validation batches; None when there are none.
        sampler: Is told the epoch.
        clock: How far training is.
        start: What to go on from, with its weights already in the model; None to begin.
        anchor: Pulls weights back to the pretrained ones; None when nothing shall.
        scaler: Of the gradients, in fp16.
        finish_epoch: Records an epoch; returns whether to stop.
        progress: Is told of each batch.
        stopper: Is asked at each batch.
        team: Who trains together.
    """

    def __init__(
        self,
        experiment: Experiment,
        *,
        loader: PrefixLoader,
        val_loader: PrefixLoader | None,
        sampler: EpochSampler | ShardedSampler,
        clock: Clock,
        start: TrainingState | None,
        anchor: Anchor | None,
        scaler: torch.amp.GradScaler | None,
        finish_epoch: Callable[[Epoch, Learner], bool],
        progress: Progress,
        stopper: Stopper,
        team: Team,
    ) -> None:
        super().__init__()
        self.experiment = experiment
        self.model = experiment.model
        self.recipe = experiment.recipe
        self.strategy = experiment.recipe.strategy
        self.batches = len(loader)
        self.loaders = [one for one in (loader, val_loader) if one is not None]
        self.sampler = sampler
        self.clock = clock
        self.start = start
        self.anchor = anchor
        self.scaler = scaler
        self.finish_epoch = finish_epoch
        self.progress = progress
        self.stopper = stopper
        self.team = team
        self.finished = start.epoch if start is not None else 0
        self.monitored: list[float | None] = list(start.monitored) if start is not None else []
        self.steps = -(-self.batches // experiment.recipe.train.accumulate)
        self._average: ModelEmaV3 | None = None
        self._last: tuple[int, Batch, Tensor] | None = None
        self._share = 0.0
        self._tally = Tally()
        # Lightning begins the first pass before it says so.
        self._begin_epoch()

    # --- what trains, and how fast ---------------------------------------------------------------------------------

    def configure_optimizers(self) -> torch.optim.Optimizer:
        """Return the optimizer of all parameters in their groups, in the state that it is to go on from."""
        groups = parameter_groups(
            self.model,
            rates=learning_rates(self.strategy.pace, list(units(self.model))),
            regularise=self.strategy.regularise,
        )
        # Lightning does not clip gradients for a fused step in mixed precision.
        fused = self.experiment.precision == "fp32" and self.experiment.device in ("cpu", "cuda")
        optimizer = build_optimizer(self.strategy.pace.optimizer, groups, fused=fused)
        if self.start is not None:
            optimizer.load_state_dict(self.start.optimizer)
        return optimizer

    def on_fit_start(self) -> None:
        """Begin the running average of the weights, now that they are on their device."""
        if self.strategy.regularise.ema:
            self._average = ModelEmaV3(self.model, decay=self.strategy.regularise.ema, use_warmup=True)
            if self.start is not None and self.start.average is not None:
                self._average.module.load_state_dict(self.start.average)

    @property
    def measured(self) -> Model:
        """The model that is validated and kept: the running average of the weights where there is one."""
        return self.model if self._average is None else self._average.module

    def train(self, mode: bool = True) -> Learner:
        """Set the mode; whoever calls it, frozen units stay in eval mode."""
        super().train(mode)
        if mode:
            self.freeze_units()
        return self

    def freeze_units(self) -> None:
        """Freeze what the strategy freezes in the current epoch."""
        unfreeze.apply(self.model, self._frozen(), self.strategy.norm)
        if self._average is not None:
            self._average.eval()

    # --- training --------------------------------------------------------------------------------------------------

    def on_train_epoch_start(self) -> None:
        """Begin an epoch."""
        self._tally = Tally()
        # After Lightning, which counts the epochs since it was started, not those since the run began.
        self._begin_epoch()

    @property
    def cached(self) -> bool:
        """Whether what goes into the epoch's steps is calculated once for several epochs."""
        return any(loader.depth for loader in self.loaders)

    def _begin_epoch(self) -> None:
        self.sampler.set_epoch(self.finished)
        self.model.train()
        self.freeze_units()
        depth = frozen_depth(self.model)
        for loader in self.loaders:
            loader.begin_at(depth)

    def on_train_batch_start(self, batch: Batch, batch_idx: int) -> None:
        """Make the batch's random draws and learning rates a function of where it stands."""
        self.stopper.check()
        self._check_loss()
        self._seed(batch_idx)
        share = self.clock.share(self._step(batch_idx))
        scale = factor(self.strategy.pace, share, step=self.clock.step(), monitored=self.monitored)
        for group in self._groups():
            group["lr"] = group["peak"] * scale

    def training_step(self, batch: Batch, batch_idx: int) -> Tensor:
        """Return the sum of the head's loss terms."""
        loss = training_loss(self.model, batch, self.strategy.regularise)
        self._last = batch_idx, batch, loss.detach()
        self._tally.add(loss.detach(), len(batch))
        self.progress.advance(note=f"epoch {self.finished + 1}/{self.recipe.train.epochs}")
        # Lightning divides by `accumulate`; the last step of an epoch may be made of fewer batches than that.
        accumulate = self.recipe.train.accumulate
        rest = self.batches % accumulate
        return loss * (accumulate / rest) if rest and batch_idx >= self.batches - rest else loss

    def optimizer_step(self, epoch: int, batch_idx: int, optimizer: Any, optimizer_closure: Any = None) -> None:
        """Take a step: from where the loss near by is largest, and back towards the pretrained weights, if wanted."""
        radius = self.strategy.regularise.sam
        closure = self._averaged(optimizer_closure)
        if radius:
            closure = self._sharpest(closure, batch_idx, radius)
        super().optimizer_step(epoch, batch_idx, optimizer, closure)
        if self.anchor is not None:
            self.anchor.pull(optimizer)
        if self._average is not None:
            # A function of where the step stands, as the rates are: its warm-up counts steps from 1.
            self._average.update(self.model, step=self._step(batch_idx) + 2)

    def on_train_batch_end(self, outputs: Any, batch: Batch, batch_idx: int) -> None:
        """End training between two steps when its time is up."""
        whole = (batch_idx + 1) % self.recipe.train.accumulate == 0
        if whole and self.clock.over():
            self.trainer.should_stop = True
        if batch_idx + 1 == self.batches or self.trainer.should_stop:
            # What is measured and saved are the leader's statistics of batch norms; all go on with them.
            self.team.equalise(self.model.buffers())
            self.team.equalise(self.measured.buffers())

    def on_validation_start(self) -> None:
        """Stop the clock of training."""
        self._check_loss()
        self._tally.stop_training()

    def validation_step(self, batch: Batch, batch_idx: int) -> None:
        """Keep the predictions and sum the loss."""
        self.stopper.check()
        model = self.measured
        outputs = _in_float32(model(batch.images))
        self._tally.add_validation(
            total(model.head.loss(outputs, batch.targets)),
            len(batch),
            batch.restored(model.head.decode(outputs, [batch.image_size] * len(batch))),
        )

    def on_train_epoch_end(self) -> None:
        """Hand the epoch over to be recorded."""
        self._check_loss()
        frozen = self._frozen()
        self.finished += 1
        rates = {group["unit"]: 0.0 if group["unit"] in frozen else group["lr"] for group in self._groups()}
        tallies = self.team.gathered(self._tally.settled())
        epoch = (together(tallies) if tallies else self._tally).epoch(self.finished, rates)
        if self._tally.trained:
            self.clock.validated(epoch.seconds - self._tally.trained)
        self._share = self.clock.share(self.finished * self.steps)
        stop = self.finish_epoch(epoch, self)
        stop, self.monitored = self.team.shared((stop, self.monitored))
        if stop or self.clock.over():
            self.trainer.should_stop = True

    def state(self, monitored: list[float | None]) -> TrainingState:
        """Return where training stands, for a checkpoint."""
        self.monitored = list(monitored)
        return TrainingState(
            epoch=self.finished,
            share=self._share,
            monitored=self.monitored,
            model=self.model.state_dict(),
            average=None if self._average is None else self._average.module.state_dict(),
            optimizer=self.optimizers(use_pl_optimizer=False).state_dict(),  # type: ignore[union-attr]
            scaler=None if self.scaler is None else self.scaler.state_dict(),
        )

    def transfer_batch_to_device(self, batch: Batch, device: torch.device, dataloader_idx: int) -> Batch:
        """Return the batch on the device."""
        return batch if device.type == "cpu" else batch.to(device, non_blocking=True)

    # --- parts of a step -------------------------------------------------------------------------------------------

    def _averaged(self, closure: Callable[[], Any]) -> Callable[[], Any]:
        """Return a closure that leaves the gradients of the whole batch, before they are unscaled, clipped or used.

        Shares of a batch differ in size only where a step is a single batch, so its size is the weight.
        """

        def averaged() -> Any:
            loss = closure()
            samples = len(self._last[1]) if self._last is not None else 0
            self.team.average(self.model.parameters(), samples)
            return loss

        return averaged

    def _sharpest(self, closure: Callable[[], Any], batch_idx: int, radius: float) -> Callable[[], Any]:
        def twice() -> Any:
            closure()
            tally, last = self._tally, self._last
            # The same draws again, and a batch counts once.
            self._seed(batch_idx)
            self._tally = Tally()
            with climbed(self.model.parameters(), radius), same_statistics(self.model):
                loss = closure()
            self._tally, self._last = tally, last
            return loss

        return twice

    def _seed(self, batch_idx: int) -> None:
        others = (f"rank {self.team.shard.index}",) if not self.team.leads else ()
        seed_all(derive(self.recipe.train.seed, self.finished, batch_idx, *others))

    def _step(self, batch_idx: int) -> int:
        """Return the number of steps before that of a batch."""
        return self.finished * self.steps + batch_idx // self.recipe.train.accumulate

    def _frozen(self) -> frozenset[str]:
        return unfreeze.frozen(self.strategy.unfreeze, list(units(self.model)), self.finished, self.recipe.train.epochs)

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
        samples = self.experiment.samples("train")
        ids = [samples[index].id for index in batch.indices.tolist()]
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
