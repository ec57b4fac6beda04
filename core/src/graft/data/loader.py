"""Loads batches, in this process or in others, and draws nothing from the global random state."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
from torch.utils.data import DataLoader, Sampler, get_worker_info

from graft.data.batch import Batch
from graft.data.dataset import ImageDataset
from graft.data.sampler import Key
from graft.errors import DataError


class Loader(DataLoader[Batch]):
    """A data loader that raises a worker's `DataError` as it was meant."""

    def __iter__(self) -> Iterator[Batch]:  # type: ignore[override]
        for batch in super().__iter__():
            if isinstance(batch, DataError):
                raise batch
            yield batch


def make_loader(
    dataset: ImageDataset,
    sampler: Sampler[Key],
    *,
    batch: int,
    workers: int,
    drop_last: bool,
    pin_memory: bool = False,
) -> DataLoader[Batch]:
    """Return a loader of `Batch`es that draws nothing from the global random state.

    Args:
        dataset: The images.
        sampler: Gives the keys of an epoch, as `EpochSampler` does.
        batch: Images per batch.
        workers: Processes that load; 0 loads in this one.
        drop_last: Whether a last batch that is not full is left out.
        pin_memory: Whether batches lie in page-locked memory, for a GPU.
    """
    return Loader(
        dataset,
        batch_size=batch,
        sampler=sampler,
        num_workers=workers,
        drop_last=drop_last,
        pin_memory=pin_memory,
        collate_fn=_as_it_is,
        generator=torch.Generator().manual_seed(0),
        worker_init_fn=_start_worker,
        persistent_workers=workers > 0,
    )


def _as_it_is(batch: Any) -> Any:
    return batch


def _start_worker(_: int) -> None:
    import cv2

    # As many processes as cores already load; OpenCV's own threads would fight with them, and its pool does not
    # survive a fork. In a process without workers OpenCV is left as it is: images of up to 256 x 256 pixels are too
    # small for it to start a thread.
    cv2.setNumThreads(0)
    info = get_worker_info()
    if info is not None and isinstance(info.dataset, ImageDataset):
        info.dataset.store.share(info.num_workers)
