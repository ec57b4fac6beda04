"""Training steps of a copy of an experiment's network, to see what they take; the experiment stays as it is."""

from __future__ import annotations

import copy
import time

import torch
from torch import Tensor

from graft.data.batch import Batch
from graft.data.dataset import ImageDataset
from graft.engine._loss import training_loss
from graft.engine._setup import Experiment
from graft.strategies import unfreeze
from graft.strategies.groups import learning_rates, parameter_groups, units
from graft.strategies.optimizers import build_optimizer


class Trial:
    """Trains a copy of the network as in one epoch of the experiment.

    Args:
        experiment: Its batch may still be `auto`, and so may its way to unfreeze, which then is taken for `all`.
        epoch: Which one, from 0; by default the last, in which most of it trains.
    """

    def __init__(self, experiment: Experiment, *, epoch: int | None = None) -> None:
        recipe = experiment.recipe
        strategy, epochs = recipe.strategy, recipe.train.epochs
        self.regularise = strategy.regularise
        self.device = experiment.device
        self.precision = experiment.precision
        self.model = copy.deepcopy(experiment.model).to(self.device).train()
        self.model.backbone.checkpointing = recipe.train.gradient_checkpointing
        names = list(units(self.model))
        known = strategy.unfreeze.kind in unfreeze.KINDS
        epoch = epochs - 1 if epoch is None else epoch
        frozen = unfreeze.frozen(strategy.unfreeze, names, epoch, epochs) if known else ()
        unfreeze.apply(self.model, frozen, strategy.norm)
        rates = learning_rates(strategy.pace, names)
        groups = parameter_groups(self.model, rates=rates, regularise=strategy.regularise)
        fused = self.precision == "fp32" and self.device in ("cpu", "cuda")
        self.optimizer = build_optimizer(strategy.pace.optimizer, groups, fused=fused)

    def step(self, batch: Batch) -> float:
        """Train on a batch and return the seconds that it took."""
        self._wait()
        began = time.perf_counter()
        self.loss(batch).backward()  # type: ignore[no-untyped-call]
        self.optimizer.step()
        self.optimizer.zero_grad()
        self._wait()
        return time.perf_counter() - began

    def loss(self, batch: Batch) -> Tensor:
        """Return the loss on a batch, as training calculates it."""
        with autocast(self.device, self.precision):
            return training_loss(self.model, batch, self.regularise)

    def _wait(self) -> None:
        if self.device == "cuda":
            torch.cuda.synchronize()


def some_batch(experiment: Experiment, size: int) -> Batch:
    """Return `size` training images, the same ones again where there are fewer, on the experiment's device.

    Of sequences they are the longest, which take the most memory.
    """
    one = experiment.changed("", train=experiment.recipe.train.model_copy(update={"batch": 1}))
    dataset = one.train_loader()[0].dataset
    assert isinstance(dataset, ImageDataset)  # for the type checker: the loader knows it as any data set
    longest = sorted(range(len(dataset)), key=lambda index: -len(dataset.samples[index].files))
    return dataset.batch([(0, longest[number % len(longest)], 0) for number in range(size)]).to(experiment.device)


def autocast(device: str, precision: str) -> torch.autocast:
    """Return the context of a precision, `fp32`, `bf16` or `fp16`, on a device."""
    dtype = torch.float16 if precision == "fp16" else torch.bfloat16
    return torch.autocast(device, dtype=dtype, enabled=precision != "fp32")
