"""The images and targets of one split, repeatable whatever loads them.

Every random draw is a function of (seed, epoch, sample, repetition): the sampler hands out the latter three, and the
order of loading, the number of worker processes and a resumed run change nothing. No global random state is read or
written.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import Dataset

from graft.data.augmentation import each_frame, keeps_targets, reach
from graft.data.batch import Batch, stack_images
from graft.data.decode import BadImage
from graft.data.geometry import centre_crop
from graft.data.sampler import Key, draw_seed
from graft.data.samples import Sample
from graft.data.spatial import Placement, Spatial, placed
from graft.data.store import PixelStore
from graft.data.windows import Corner, Region, corners, cut_region, draw_region, tiles
from graft.errors import DataError
from graft.sequences import Sequences
from graft.windows import Grid, Windows

if TYPE_CHECKING:
    from graft.data.augmentation import Augmentation


class ImageDataset(Dataset[Batch]):
    """Labelled images of one split, or sequences of images.

    All frames of a sequence are augmented by the same draw, so that what moves in it still moves as it did, unless the
    augmentation asks for a draw for `each_frame`. Where images are seen through windows, an augmentation gets a region
    of an image, drawn anew each time, and without one an item is one whole image, in all its windows. Targets that say
    places are placed as their images are.

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
        self.in_windows = store.preprocess.resize == "windows"

    def __len__(self) -> int:
        return len(self.samples)

    @property
    def whole(self) -> bool:
        """Whether an item is a whole image in several windows."""
        return self.in_windows and self.augmentation is None

    def item(self, key: Key) -> tuple[list[NDArray[Any]], Any]:
        """Return the image `(H, W, C)` of a sample in an epoch, its frames or its windows, and its encoded target.

        Raises:
            DataError: When a file, which was read when the run started, cannot be read any more.
        """
        _, index, _ = key
        if self.whole:
            image = self._image(self.samples[index].path)
            return tiles(image, self.store.preprocess)[0], self.targets[index]
        items = [self._view(path, key, frame) for frame, path in enumerate(self.samples[index].files)]
        return [image for image, _ in items], items[0][1]

    def target(self, key: Key) -> Any:
        """Return a sample's target alone, as `item` gives it.

        Raises:
            DataError: When a file that it takes cannot be read any more.
        """
        _, index, _ = key
        target = self.targets[index]
        if self.augmentation is None:
            return target if self.whole else self._placed(target, index)
        if keeps_targets(self.augmentation) and not isinstance(target, Spatial):
            return target
        return self.item(key)[1]

    def placement(self, index: int) -> Placement:
        """Return how a sample's file becomes its image where nothing is drawn at random."""
        return Placement.prepared(self.store.size(self.samples[index].path), self.store.preprocess)

    def grid(self, index: int) -> Grid:
        """Return where the windows of a sample's image lie."""
        preprocess = self.store.preprocess
        size = self.store.size(self.samples[index].path)
        return Grid(corners(size, preprocess), preprocess.size, size, preprocess.overlap)

    def region(self, key: Key) -> Region | None:
        """Return the part of the image that the augmentation gets in an epoch; None for all of it."""
        epoch, index, repetition = key
        if not self.in_windows or self.augmentation is None:
            return None
        sample = self.samples[index]
        wanted = tuple(round(side * reach(self.augmentation)) for side in self.store.preprocess.size)
        seed = draw_seed(self.seed, epoch, sample.id, repetition)
        return draw_region(self.store.size(sample.path), (wanted[0], wanted[1]), seed)

    def _image(self, path: Path) -> NDArray[Any]:
        try:
            return self.store.load(path)
        except BadImage as error:
            raise DataError(
                f"{path} could be read when the run started, and now it cannot: {error}",
                fix="bring the file back and resume the run",
            ) from error

    def _drawn_as(self, sample: Sample, frame: int) -> str:
        """Return the name that a frame's draws go by: frames of one name share them."""
        own = sample.frames and self.augmentation is not None and each_frame(self.augmentation)
        return f"{sample.id}#{frame}" if own else sample.id

    def _view(self, path: Path, key: Key, frame: int) -> tuple[NDArray[Any], Any]:
        epoch, index, repetition = key
        image, target = self._image(path), self.targets[index]
        if self.augmentation is None:
            return centre_crop(image, self.store.preprocess), self._placed(target, index)
        region = self.region(key)
        if region is not None:
            image = cut_region(image, region)
        if isinstance(target, Spatial):
            target = placed(target, Placement.stored(self.store.size(path), self.store.preprocess))
            target = target if region is None else _cut_target(target, region)
        seed = draw_seed(self.seed, epoch, self._drawn_as(self.samples[index], frame), repetition)
        return self.augmentation(image, target, seed)

    def _placed(self, target: Any, index: int) -> Any:
        return placed(target, self.placement(index)) if isinstance(target, Spatial) else target

    def row_by_row(self) -> ImageDataset:
        """Return the frames of all sequences, or the windows of all images, in order, as images.

        Each is as it is in its sequence, by the same draws, or in its image.
        """
        if self.whole:
            return _OneWindow(self)
        frames = [
            (replace(sample, id=self._drawn_as(sample, frame), path=path, frames=()), target)
            for sample, target in zip(self.samples, self.targets, strict=True)
            for frame, path in enumerate(sample.files)
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
        """Return the samples of `keys` as a batch, in their order; whole images in windows come one at a time.

        Raises:
            DataError: When a file cannot be read any more.
        """
        items = [self.item(key) for key in keys]
        stacked = stack_images([image for images, _ in items for image in images])
        images: Tensor | Sequences | Windows = stacked
        if self.sequences:
            images = Sequences(stacked, tuple(len(images) for images, _ in items))
        if self.whole:
            ((_, index, _),) = keys
            images = Windows(stacked, self.grid(index))
        return self.assembled(keys, images, [target for _, target in items])

    def assembled(self, keys: Sequence[Key], images: Any, targets: Sequence[Any] | None = None) -> Batch:
        """Return a batch of `images` that are those of `keys`; their targets are fetched unless they are given."""
        if targets is None:
            targets = [self.target(key) for key in keys]
        indices = [index for _, index, _ in keys]
        still = self.augmentation is None and not self.in_windows
        says = still and any(isinstance(self.targets[index], Spatial) for index in indices)
        return Batch(
            images=images,
            targets=self.task_collate(targets),
            indices=torch.tensor(indices, dtype=torch.int64),
            placements=tuple(map(self.placement, indices)) if says else None,
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


class _OneWindow(ImageDataset):
    """The windows of whole images, each as an image; their targets are nothing."""

    def __init__(self, images: ImageDataset) -> None:
        grids = [images.grid(index).corners for index in range(len(images))]
        self.corners: list[Corner] = [corner for own in grids for corner in own]
        samples = [sample for sample, own in zip(images.samples, grids, strict=True) for _ in own]
        nothing: list[Any] = [None] * len(samples)
        super().__init__(samples, nothing, store=images.store, task_collate=tuple)

    @property
    def whole(self) -> bool:
        return False

    def region(self, key: Key) -> Region:
        return *self.corners[key[1]], *self.store.preprocess.size

    def item(self, key: Key) -> tuple[list[NDArray[Any]], Any]:
        return [cut_region(self._image(self.samples[key[1]].path), self.region(key))], None


def _cut_target(target: Spatial, region: Region) -> Any:
    """Return a target for a region of its image; a mask is continued as the image is."""
    top, left, height, width = region
    places = target.places()
    cut = Placement(places.size, (height, width), offset=(-float(top), -float(left)))
    mask = None if places.mask is None else cut_region(places.mask, region)
    return target.moved(replace(cut(replace(places, mask=None)), mask=mask))
