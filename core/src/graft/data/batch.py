"""Some samples, ready for a model."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from graft.data.spatial import Placement, restored
from graft.sequences import Sequences
from graft.windows import Windows

if TYPE_CHECKING:
    from graft.model import Activations


@dataclass
class Batch:
    """Some samples, ready for `graft.model.Model`.

    Args:
        images: `(B, C, H, W)`, uint8 0…255 or float32 0…1; sequences of such images; one large image through windows;
            or what a network's frozen beginning gave for them.
        targets: What the task's `collate` gave, for these images: what says places is in their pixels.
        indices: `(B,)` int64, into the data set's samples.
        placements: How each file came to be its image, where targets say places and nothing was drawn at random.
    """

    images: Tensor | Sequences | Windows | Activations
    targets: Any
    indices: Tensor
    placements: tuple[Placement, ...] | None = None

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

    def restored(self, predictions: Sequence[Any]) -> list[Any]:
        """Return predictions for these images in the pixels of their files, where they say places."""
        if self.placements is None:
            return list(predictions)
        return [restored(one, placement) for one, placement in zip(predictions, self.placements, strict=True)]

    def __len__(self) -> int:
        return len(self.indices)

    def _mapped(self, function: Callable[[Any], Any]) -> Batch:
        images, targets = function(self.images), _mapped(self.targets, function)
        return Batch(images, targets, function(self.indices), self.placements)


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
