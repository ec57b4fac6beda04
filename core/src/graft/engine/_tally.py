"""What is summed up within an epoch, and what comes of it."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import torch
from torch import Tensor

from graft.tasks.contract import Prediction


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
class Tally:
    """What is summed up within an epoch. Losses stay on the device: reading one would make the device wait for us."""

    started: float = field(default_factory=time.perf_counter)
    trained: float = 0.0
    images: int = 0
    batches: int = 0
    loss: Tensor | None = None
    val_images: int = 0
    val_loss: Tensor | None = None
    predictions: list[Prediction] = field(default_factory=list)

    def add(self, loss: Tensor, images: int) -> None:
        """Count a training batch."""
        self.loss = loss if self.loss is None else self.loss + loss
        self.images += images
        self.batches += 1

    def add_validation(self, loss: Tensor, images: int, predictions: list[Prediction]) -> None:
        """Count a validation batch; `loss` is its mean."""
        self.val_loss = loss * images if self.val_loss is None else self.val_loss + loss * images
        self.val_images += images
        self.predictions += predictions

    def stop_training(self) -> None:
        """Stop the clock of training: validation begins."""
        self.trained = time.perf_counter() - self.started

    def settled(self) -> Tally:
        """Return it for another process to read: its losses on the CPU."""
        return replace(
            self,
            loss=None if self.loss is None else self.loss.cpu(),
            val_loss=None if self.val_loss is None else self.val_loss.cpu(),
        )

    def epoch(self, number: int, rates: Mapping[str, float]) -> Epoch:
        """Return what the epoch gave."""
        seconds = time.perf_counter() - self.started
        return Epoch(
            number=number,
            train_loss=float(self.loss) / self.batches if self.loss is not None else float("nan"),
            val_loss=None if self.val_loss is None else float(self.val_loss) / self.val_images,
            predictions=self.predictions,
            rates=rates,
            seconds=seconds,
            images_per_second=self.images / (self.trained or seconds),
        )


def together(tallies: Sequence[Tally]) -> Tally:
    """Return what processes that share an epoch have summed up, as one: the times are the first one's.

    Args:
        tallies: Of each share in order, as `graft.data.shards.Shard` divides.
    """
    first, *others = tallies
    if not others:
        return first
    predictions: list[Prediction] = [None] * sum(tally.val_images for tally in tallies)
    for index, tally in enumerate(tallies):
        predictions[index :: len(tallies)] = tally.predictions
    images = sum(tally.images for tally in tallies)
    losses = [tally.loss * (tally.images / images) for tally in tallies if tally.loss is not None]
    val_losses = [tally.val_loss for tally in tallies if tally.val_loss is not None]
    return replace(
        first,
        images=images,
        # A mean over the images of each batch, summed over batches.
        loss=torch.stack(losses).sum() if losses else None,
        val_images=len(predictions),
        val_loss=torch.stack(val_losses).sum() if val_losses else None,
        predictions=predictions,
    )
