"""How several processes share one order of samples, so that together they see the batches that one process would."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice

from torch.utils.data import Sampler

from graft.data.sampler import EpochSampler, Key


@dataclass(frozen=True)
class Shard:
    """One process's share: every `count`-th sample, from the `index`-th on.

    Args:
        index: From 0.
        count: Number of processes.
    """

    index: int
    count: int

    def of(self, n: int) -> int:
        """Return how many of `n` samples are in it."""
        return len(range(self.index, n, self.count))


WHOLE = Shard(0, 1)
"""The share of a process alone."""


class ShardedSampler(Sampler[Key]):
    """A process's share of an order. Batch `t` of all shares together is batch `t` of the whole order.

    Nothing is padded: where batches need not be full, the last one of some shares has one sample less than others.

    Args:
        sampler: The whole order, the same in every process.
        shard: The share.
        batch: Samples per process and batch, where a last batch that is not full in every process is left out; None
            leaves none out.
    """

    def __init__(self, sampler: EpochSampler, shard: Shard, *, batch: int | None) -> None:
        self.sampler = sampler
        self.shard = shard
        self.batch = batch

    def set_epoch(self, epoch: int) -> None:
        """Choose the epoch that the next pass belongs to."""
        self.sampler.set_epoch(epoch)

    def __len__(self) -> int:
        return self.shard.of(self._used())

    def __iter__(self) -> Iterator[Key]:
        return islice(iter(self.sampler), self.shard.index, self._used(), self.shard.count)

    def _used(self) -> int:
        whole = len(self.sampler)
        return whole if self.batch is None else whole - whole % (self.batch * self.shard.count)
