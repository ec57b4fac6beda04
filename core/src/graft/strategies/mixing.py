"""Mixup and cutmix: what lies between two images has what lies between their targets."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, NamedTuple

import torch
from torch import Tensor

from graft.model import Activations, Images
from graft.sequences import Sequences
from graft.windows import Windows


class Mixed(NamedTuple):
    """Images that are partly others of the same batch.

    The loss that belongs to them is `share * loss(outputs, targets) + (1 - share) * loss(outputs, permuted(targets,
    order))`. For a loss that is linear in its targets, as (binary) cross-entropy is, that is the loss of targets mixed
    in the same way; and it exists for every loss.

    Args:
        images: `(B, C, H, W)`, or activations.
        order: `(B,)` int64 on the CPU: with which image each one is mixed.
        share: What is left of each image itself, 0…1.
    """

    images: Tensor | Activations
    order: Tensor
    share: float


def mix(images: Images | Activations, *, mixup: float, cutmix: float) -> Mixed:
    """Return a batch mixed by mixup (Zhang et al. 2018) or cutmix (Yun et al. 2019); with both, by each half the time.

    One share is drawn for the batch, from Beta(mixup, mixup) or Beta(cutmix, cutmix). All draws are from torch's global
    generator on the CPU, so that they are the same on every device and nothing waits for one. Of activations it is
    these that are blended (manifold mixup, Verma et al. 2019): where they begin is where the frozen pieces end.

    Args:
        images: `(B, C, H, W)` on any device, uint8 0…255 or float 0…1; they are not changed. Mixup gives float 0…1,
            cutmix what it got. Activations have no cutmix, and sequences, which differ in length, neither.
        mixup: The parameter of mixup's distribution; 0 is never.
        cutmix: The parameter of cutmix's distribution; 0 is never.

    Raises:
        ValueError: When both are 0, or these images cannot be mixed in this way.
    """
    if not (mixup or cutmix):
        raise ValueError("neither mixup nor cutmix")
    if isinstance(images, Windows):
        raise ValueError("windows of one image cannot be mixed")
    if isinstance(images, Sequences) or (isinstance(images, Activations) and images.lengths is not None):
        raise ValueError("sequences differ in length and cannot be mixed")
    order = torch.randperm(len(images))
    if cutmix and (not mixup or torch.rand(()) < 0.5):
        if isinstance(images, Activations):
            raise ValueError("activations cannot be cut and pasted")
        return _cutmix(images, order, _draw_share(cutmix))
    share = _draw_share(mixup)
    if isinstance(images, Activations):
        return Mixed(images.mapped(lambda part: torch.lerp(part[order], part, share)), order, share)
    own = images / 255 if images.dtype == torch.uint8 else images
    return Mixed(torch.lerp(own[order], own, share), order, share)


def permuted(targets: Any, order: Tensor) -> Any:
    """Return collated targets in another order of the images.

    Args:
        targets: A tensor with the batch as its first axis, a list or tuple with an entry per image, or a dict of these.
        order: `(B,)`, as in `Mixed`.

    Raises:
        TypeError: When the targets are of another kind.
        ValueError: When a list or a tensor has not one entry per image.
    """
    if isinstance(targets, Mapping):
        return {key: permuted(value, order) for key, value in targets.items()}
    if not isinstance(targets, (Tensor, list, tuple)):
        raise TypeError(f"targets that are a {type(targets).__name__} cannot be mixed")
    if len(targets) != len(order):
        raise ValueError(f"{len(targets)} targets for {len(order)} images")
    if isinstance(targets, Tensor):
        return targets[order]
    return type(targets)(targets[index] for index in order.tolist())


def _draw_share(alpha: float) -> float:
    both = torch.tensor(alpha, dtype=torch.float64)
    return float(torch.distributions.Beta(both, both).sample())


def _cutmix(images: Tensor, order: Tensor, share: float) -> Mixed:
    height, width = images.shape[-2:]
    across, down = torch.rand(2).tolist()
    top, bottom = _extent(height, down, math.sqrt(1 - share))
    left, right = _extent(width, across, math.sqrt(1 - share))
    mixed = images.clone()
    mixed[:, :, top:bottom, left:right] = images[:, :, top:bottom, left:right][order]
    return Mixed(mixed, order, 1 - (bottom - top) * (right - left) / (height * width))


def _extent(length: int, centre: float, share: float) -> tuple[int, int]:
    """Return where a stretch of a share of `length` begins and ends, cut off at the border."""
    middle, half = centre * length, share * length / 2
    return max(0, round(middle - half)), min(length, round(middle + half))
