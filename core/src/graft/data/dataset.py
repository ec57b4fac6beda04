"""Batches of images for training and evaluation, repeatable whatever loads them.

Every random draw is a function of (seed, epoch, sample, repetition): the sampler hands out the latter three, and the
order of loading, the number of worker processes and a resumed run change nothing. No global random state is read or
written.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from hashlib import blake2b
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, Sampler, get_worker_info

from graft.data.decode import BadImage
from graft.data.geometry import centre_crop
from graft.data.repeats import whole_repeats
from graft.data.samples import Sample
from graft.data.store import PixelStore
from graft.errors import DataError
from graft.sequences import Sequences

if TYPE_CHECKING:
    from graft.data.augment import Augmentation
    from graft.model import Activations

Key = tuple[int, int, int]
"""An epoch, an index into the samples, and how often that sample came in that epoch before."""


@dataclass
class Batch:
    """Some samples, ready for `graft.model.Model`.

    Args:
        images: `(B, C, H, W)`, uint8 0…255 or float32 0…1; sequences of such images; or what a network's frozen
            beginning gave for them.
        targets: What the task's `collate` gave.
        indices: `(B,)` int64, into the data set's samples.
    """

    images: Tensor | Sequences | Activations
    targets: Any
    indices: Tensor

    @property
    def image_size(self) -> tuple[int, int]:
        """(H, W) of the images in pixels."""
        if not isinstance(self.images, Tensor):
            return self.images.image_size
        height, width = self.images.shape[-2:]
        return height, width

    def to(self, device: torch.device | str, non_blocking: bool = False) -> Batch:
        """Return the batch with all its tensors on `device`."""
        return self._mapped(lambda some: some.to(device, non_blocking=non_blocking))

    def pin_memory(self) -> Batch:
        """Return the batch in page-locked memory, from which a GPU copies while it calculates."""
        return self._mapped(lambda some: some.pin_memory())

    def __len__(self) -> int:
        return len(self.indices)

    def _mapped(self, function: Callable[[Any], Any]) -> Batch:
        return Batch(function(self.images), _mapped(self.targets, function), function(self.indices))


class ImageDataset(Dataset[Batch]):
    """Labelled images of one split, or sequences of images.

    All frames of a sequence are augmented by the same draw: what moves in it still moves as it did.

    Args:
        samples: The split's samples.
        targets: What the task's `encode` gave for each of them.
        store: Gives the resized images.
        task_collate: The task's `collate`.
        augmentation: What training does to an image; None cuts out the centre, as evaluation and prediction do.
        seed: Seed of the augmentation.
    """

    def __init__(
        self,
        samples: Sequence[Sample],
        targets: Sequence[Any],
        *,
        store: PixelStore,
        task_collate: Callable[[Sequence[Any]], Any],
        augmentation: Augmentation | None = None,
        seed: int = 0,
    ) -> None:
        if len(samples) != len(targets):
            raise ValueError(f"{len(samples)} samples, but {len(targets)} targets")
        self.samples = tuple(samples)
        self.targets = tuple(targets)
        self.store = store
        self.task_collate = task_collate
        self.augmentation = augmentation
        self.seed = seed
        self.sequences = any(sample.frames for sample in self.samples)

    def __len__(self) -> int:
        return len(self.samples)

    def item(self, key: Key) -> tuple[list[NDArray[Any]], Any]:
        """Return the image `(H, W, C)` of a sample in an epoch, or its frames, and its encoded target.

        Raises:
            DataError: When a file, which was read when the run started, cannot be read any more.
        """
        _, index, _ = key
        items = [self._view(path, key) for path in self.samples[index].files]
        return [image for image, _ in items], items[0][1]

    def _view(self, path: Path, key: Key) -> tuple[NDArray[Any], Any]:
        epoch, index, repetition = key
        try:
            image = self.store.load(path)
        except BadImage as error:
            raise DataError(
                f"{path} could be read when the run started, and now it cannot: {error}",
                fix="bring the file back and resume the run",
            ) from error
        if self.augmentation is None:
            return centre_crop(image, self.store.preprocess), self.targets[index]
        seed = draw_seed(self.seed, epoch, self.samples[index].id, repetition)
        return self.augmentation(image, self.targets[index], seed)

    def frame_by_frame(self) -> ImageDataset:
        """Return the frames of all sequences, in order, as images: each as it is in its sequence, by the same draw."""
        frames = [
            (replace(sample, path=path, frames=()), target)
            for sample, target in zip(self.samples, self.targets, strict=True)
            for path in sample.files
        ]
        return ImageDataset(
            [sample for sample, _ in frames],
            [target for _, target in frames],
            store=self.store,
            task_collate=self.task_collate,
            augmentation=self.augmentation,
            seed=self.seed,
        )

    def batch(self, keys: Sequence[Key]) -> Batch:
        """Return the samples of `keys` as a batch, in their order.

        Raises:
            DataError: When a file cannot be read any more.
        """
        items = [self.item(key) for key in keys]
        images = stack_images([image for images, _ in items for image in images])
        return Batch(
            images=Sequences(images, tuple(len(images) for images, _ in items)) if self.sequences else images,
            targets=self.task_collate([target for _, target in items]),
            indices=torch.tensor([index for _, index, _ in keys], dtype=torch.int64),
        )

    def __getitem__(self, key: Key) -> Batch:
        return self.batch([key])

    def __getitems__(self, keys: Sequence[Key]) -> Batch | DataError:
        # A loader asks for a batch at a time. An error travels as a value: a worker process would wrap an exception in
        # the text of its traceback.
        try:
            return self.batch(keys)
        except DataError as error:
            return error


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


def draw_seed(seed: int, epoch: int, sample_id: str, repetition: int = 0) -> int:
    """Return the seed of one sample's draws, when it comes for the n-th time in one epoch, in 0 … 2**64 - 1."""
    again = f"+{repetition}" if repetition else ""
    words = f"{seed}/{epoch}{again}/{sample_id}".encode("utf-8", "surrogateescape")
    return int.from_bytes(blake2b(words, digest_size=8).digest(), "little")


def stack_images(images: Sequence[NDArray[Any]]) -> Tensor:
    """Return `(H, W, C)` images as `(B, C, H, W)`; all become float when one of them is."""
    height, width, channels = images[0].shape
    deep = any(image.dtype != np.uint8 for image in images)
    batch = np.empty((len(images), channels, height, width), np.float32 if deep else np.uint8)
    for place, image in zip(batch, images, strict=True):
        place[...] = image.transpose(2, 0, 1)
        if deep and image.dtype == np.uint8:
            place /= 255
    return torch.from_numpy(batch)


def _mapped(value: Any, function: Callable[[Tensor], Tensor]) -> Any:
    if isinstance(value, Tensor):
        return function(value)
    if isinstance(value, Mapping):
        return {key: _mapped(entry, function) for key, entry in value.items()}
    if isinstance(value, (list, tuple)):
        return type(value)(_mapped(entry, function) for entry in value)
    return value


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
