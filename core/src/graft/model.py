"""A backbone with a head, and the numeric part of preprocessing inside."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Literal

import torch
from torch import Tensor, nn

from graft.backbones.contract import Backbone
from graft.preprocess import Preprocess
from graft.sequences import Sequences, means
from graft.tasks.contract import Features, Head, Outputs
from graft.windows import Grid, Windows

_AT_A_TIME = 32
"""Frames that the backbone takes together where nothing is to be learnt: sequences may be long."""

_WINDOWS = 8
"""Windows of a large image that the network takes together."""

Images = Tensor | Sequences | Windows
"""`(B, C, H, W)`, uint8 0…255 or float 0…1; sequences of such images; or one large image through windows."""


@dataclass(frozen=True)
class Activations:
    """What the first pieces of a model gave for images: stands in their place, and the rest goes on from there.

    Args:
        parts: `(B, …)` each: all that the pieces from `start` on need, as `Model.prefix` gives it; of sequences
            `(ΣT, …)`, a row per frame.
        start: How many pieces gave it.
        image_size: (H, W) of the images in pixels.
        lengths: T of each sequence; None where they are images.
        grid: Where the rows lie in one large image that is seen through windows; None where they are images.
    """

    parts: tuple[Tensor, ...]
    start: int
    image_size: tuple[int, int]
    lengths: tuple[int, ...] | None = None
    grid: Grid | None = None

    def to(self, device: torch.device | str, non_blocking: bool = False) -> Activations:
        """Return them on `device`."""
        return self.mapped(lambda part: part.to(device, non_blocking=non_blocking))

    def pin_memory(self) -> Activations:
        """Return them in page-locked memory."""
        return self.mapped(lambda part: part.pin_memory())

    def mapped(self, function: Callable[[Tensor], Tensor]) -> Activations:
        """Return them with `function` applied to each part."""
        return replace(self, parts=tuple(map(function, self.parts)))

    def __len__(self) -> int:
        if self.grid is not None:
            return 1
        return len(self.parts[0]) if self.lengths is None else len(self.lengths)


class Model(nn.Module):
    """The network of a run, from pixels to a head's outputs.

    Args:
        backbone: Its `preprocess` says how pixels are normalised.
        head: Gets what it `needs`, `embedding` or `pyramid`.
        needs: As the head's descriptor says.
        sequences: Whether the head reads sequences frame by frame. For one that does not, what it needs is averaged
            over the frames of a sequence.
    """

    mean: Tensor
    std: Tensor

    def __init__(
        self, backbone: Backbone, head: Head, needs: Literal["embedding", "pyramid"], *, sequences: bool = False
    ) -> None:
        super().__init__()
        self.backbone = backbone
        self.head = head
        self.needs = needs
        self.sequences = sequences
        preprocess = backbone.preprocess
        self.reverse_channels = preprocess.channel_order == "bgr"
        # Not in the state dict: they belong to the preprocessing, which the bundle records.
        self.register_buffer("mean", torch.tensor(preprocess.mean).view(1, -1, 1, 1), persistent=False)
        self.register_buffer("std", torch.tensor(preprocess.std).view(1, -1, 1, 1), persistent=False)

    def normalise(self, images: Tensor) -> Tensor:
        """Return `(B, C, H, W)` uint8 0…255 or float 0…1 RGB images as the backbone's input."""
        return _normalised(images, self.mean, self.std, reverse=self.reverse_channels)

    @property
    def depth(self) -> int:
        """How many pieces come before the head: the stages, and with an embedding the layers behind the last one."""
        return len(self.backbone.stages) + (self.needs == "embedding")

    def pieces(self) -> list[nn.Module]:
        """Return these pieces, in the order in which they run."""
        return [*self.backbone.stages, self.backbone.tail][: self.depth]

    def prefix(self, images: Tensor, upto: int) -> tuple[Tensor, ...]:
        """Return what the first `upto` pieces give for `(B, C, H, W)` images, uint8 0…255 or float 0…1.

        It is all that the other pieces need: the last one's output, or each stage's where the head needs a pyramid.
        """
        return self._run((self.normalise(images),), 0, upto)

    def features(self, images: Images | Activations) -> Features:
        """Return what the head needs of images as `forward` takes them; of windows, for each of them."""
        if isinstance(images, Windows):
            images = images.tiles
        if isinstance(images, Activations):
            run = self._run if images.lengths is None else self._of_frames
            return self._features(run(images.parts, images.start), images.lengths)
        if isinstance(images, Sequences):
            return self._features(self._of_frames((self.normalise(images.frames),), 0), images.lengths)
        return self._features(self._run((self.normalise(images),), 0))

    def forward(self, images: Images | Activations) -> Outputs:
        """Return the head's raw outputs for `(B, C, H, W)` images, uint8 0…255 or float 0…1, or for sequences of them.

        From what `prefix` gave for the images they are the same, to the last bit in eval mode. For one large image
        that is seen through windows they are maps of the whole image, `(1, K, H, W)`.
        """
        if isinstance(images, Windows):
            return images.grid.stitched(self(some) for some in torch.split(images.tiles, _WINDOWS))
        if isinstance(images, Activations) and images.grid is not None:
            size, start = images.grid.window, images.start
            some = zip(*(torch.split(part, _WINDOWS) for part in images.parts), strict=True)
            return images.grid.stitched(self(Activations(few, start, size)) for few in some)
        height, width = images.shape[-2:] if isinstance(images, Tensor) else images.image_size
        return self.head(self.features(images), (height, width))  # type: ignore[no-any-return]

    def _of_frames(self, given: tuple[Tensor, ...], start: int) -> tuple[Tensor, ...]:
        """Return what all pieces give, as `_run`; without gradients for a few frames at a time."""
        if torch.is_grad_enabled() or torch.compiler.is_exporting():
            return self._run(given, start)
        some = zip(*(torch.split(part, _AT_A_TIME) for part in given), strict=True)
        return tuple(torch.cat(parts) for parts in zip(*(self._run(few, start) for few in some), strict=True))

    def _run(self, given: tuple[Tensor, ...], start: int, upto: int | None = None) -> tuple[Tensor, ...]:
        """Return what the pieces up to `upto`, or all, give: from what those before `start` gave, or from images."""
        upto = self.depth if upto is None else upto
        backbone, stages = self.backbone, len(self.backbone.stages)
        if self.needs == "pyramid":
            maps = given if start else ()
            for stage in range(start, upto):
                given = (backbone.between(given[-1], stage, stage + 1),)
                maps += given
            return maps if upto else given
        h = backbone.between(given[-1], start, min(upto, stages))
        return (backbone.tail(h) if start <= stages < upto else h,)

    def _features(self, given: tuple[Tensor, ...], lengths: tuple[int, ...] | None = None) -> Features:
        if lengths is not None and not self.sequences:
            given, lengths = tuple(means(part, lengths) for part in given), None
        if self.needs == "embedding":
            return Features(embedding=given[0], lengths=lengths)
        return Features(pyramid=given, lengths=lengths)


def normalised(images: Tensor, preprocess: Preprocess) -> Tensor:
    """Return `(B, C, H, W)` uint8 0…255 or float 0…1 RGB images as a backbone of this preprocessing takes them."""
    mean, std = (
        torch.tensor(values, device=images.device).view(1, -1, 1, 1) for values in (preprocess.mean, preprocess.std)
    )
    return _normalised(images, mean, std, reverse=preprocess.channel_order == "bgr")


def _normalised(images: Tensor, mean: Tensor, std: Tensor, *, reverse: bool) -> Tensor:
    x = images.to(mean.dtype) / 255 if images.dtype == torch.uint8 else images
    return ((x.flip(1) if reverse else x) - mean) / std
