"""Which samples come in an epoch, in which order, and by which draw: functions of (seed, epoch) and nothing else."""

from __future__ import annotations

from collections.abc import Iterator
from hashlib import blake2b

import numpy as np
from numpy.typing import NDArray
from torch.utils.data import Sampler

from graft.data.repeats import whole_repeats

Key = tuple[int, int, int]
"""An epoch, an index into the samples, and how often that sample came in that epoch before."""


class EpochSampler(Sampler[Key]):
    """Hands out `(epoch, index, repetition)`, every sample once or as often as asked; a function of (seed, epoch).

    Args:
        n: Number of samples.
        seed: Seed of the order.
        shuffle: Whether samples come in random order, or as they are.
        repeats: `(n,)`, how often each sample comes per epoch in expectation; it comes that often rounded down or up.
            All epochs have the same length, the rounded sum. None: every sample comes once.

    Raises:
        ValueError: When `repeats` is not of length `n`.
    """

    def __init__(self, n: int, *, seed: int, shuffle: bool, repeats: NDArray[np.float64] | None = None) -> None:
        if repeats is not None and len(repeats) != n:
            raise ValueError(f"{n} samples, but {len(repeats)} repeats")
        self.n = n
        self.seed = seed
        self.shuffle = shuffle
        self.repeats = repeats
        self.epoch = 0

    def set_epoch(self, epoch: int) -> None:
        """Choose the epoch that the next pass belongs to."""
        self.epoch = epoch

    def __len__(self) -> int:
        return self.n if self.repeats is None else round(self.repeats.sum())

    def __iter__(self) -> Iterator[Key]:
        draws = np.random.default_rng([self.seed, self.epoch])
        times = np.ones(self.n, np.int64) if self.repeats is None else whole_repeats(self.repeats, draws)
        indices = np.repeat(np.arange(self.n), times)
        repetitions = np.arange(len(indices)) - np.repeat(np.cumsum(times) - times, times)
        if self.shuffle:
            order = draws.permutation(len(indices))
            indices, repetitions = indices[order], repetitions[order]
        epoch = self.epoch
        pairs = zip(indices.tolist(), repetitions.tolist(), strict=True)
        return ((epoch, index, repetition) for index, repetition in pairs)


def draw_seed(seed: int, epoch: int, sample_id: str, repetition: int = 0) -> int:
    """Return the seed of one sample's draws, when it comes for the n-th time in one epoch, in 0 … 2**64 - 1."""
    again = f"+{repetition}" if repetition else ""
    words = f"{seed}/{epoch}{again}/{sample_id}".encode("utf-8", "surrogateescape")
    return int.from_bytes(blake2b(words, digest_size=8).digest(), "little")
