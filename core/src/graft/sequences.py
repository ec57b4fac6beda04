"""Sequences of images as a network takes them: their frames one behind the other, and how many belong together."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor


@dataclass(frozen=True)
class Sequences:
    """Some sequences of images: stands in the place of a batch of images.

    Args:
        frames: `(ΣT, C, H, W)`: the frames of the first sequence, those of the second, and so on. Nothing is padded.
        lengths: T of each sequence, at least 1. Plain numbers: nobody has to fetch them from a device.
    """

    frames: Tensor
    lengths: tuple[int, ...]

    @property
    def image_size(self) -> tuple[int, int]:
        """(H, W) of the frames in pixels."""
        height, width = self.frames.shape[-2:]
        return height, width

    def to(self, device: torch.device | str, non_blocking: bool = False) -> Sequences:
        """Return them on `device`."""
        return replace(self, frames=self.frames.to(device, non_blocking=non_blocking))

    def pin_memory(self) -> Sequences:
        """Return them in page-locked memory."""
        return replace(self, frames=self.frames.pin_memory())

    def __len__(self) -> int:
        return len(self.lengths)


def means(rows: Tensor, lengths: Sequence[int]) -> Tensor:
    """Return the mean of each sequence's rows, `(B, …)`, of rows `(ΣT, …)`; of one row, that row.

    Each is calculated by itself, so that it does not depend on the other sequences.
    """
    if len(lengths) == 1:
        return rows.mean(dim=0, keepdim=True)
    return torch.stack([own.mean(dim=0) for own in torch.split(rows, list(lengths))])
