"""What a second stage sees of each box: RoIAlign (He et al. 2017) over a feature pyramid (Lin et al. 2017).

torchvision's kernel for CPUs adds one number at a time, and its gradient was a third of a training step. Its values are
sums of a few cells each, which PyTorch has a fast operation for: a weighted bag of embeddings, whose rows are cells.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torchvision.ops import MultiScaleRoIAlign

_CANONICAL_SIDE, _CANONICAL_LEVEL = 224, 4
"""A box of this side in pixels is seen on the level whose cells are 2^4 pixels wide (Lin et al. 2017, equation 1)."""


class BoxPooling(nn.Module):
    """torchvision's `MultiScaleRoIAlign`; on a CPU the same, values and gradients, much faster.

    Args:
        names: The levels' names, fine to coarse.
        side: How many parts a box has along each side.
        samples: How many points of a part are looked at, along each side.
    """

    def __init__(self, names: Sequence[str], *, side: int, samples: int) -> None:
        super().__init__()
        self.names, self.side, self.samples = tuple(names), side, samples
        self.kernel = MultiScaleRoIAlign(list(names), output_size=side, sampling_ratio=samples)

    def forward(self, x: dict[str, Tensor], boxes: list[Tensor], image_shapes: list[tuple[int, int]]) -> Tensor:
        """Return what lies in boxes, `(N, C, side, side)`, those of all images after each other.

        Args:
            x: The levels' maps `(B, C, H_i, W_i)`, fine to coarse.
            boxes: Of each image `(N_b, 4)`, x1, y1, x2, y2 in pixels of the network's input.
            image_shapes: Of each image, (H, W) of the network's input.
        """
        maps = [x[name] for name in self.names]
        if maps[0].device.type != "cpu":
            pooled: Tensor = self.kernel(x, boxes, image_shapes)
            return pooled
        return pool(maps, boxes, image_shapes[0][0], side=self.side, samples=self.samples)


def pool(maps: Sequence[Tensor], boxes: Sequence[Tensor], height: int, *, side: int, samples: int) -> Tensor:
    """Return the means of `samples` × `samples` interpolated points in each of `side` × `side` parts of the boxes."""
    strides = torch.tensor([2.0 ** round(math.log2(height / level.shape[-2])) for level in maps])
    every = torch.cat(list(boxes)).float()
    images = torch.repeat_interleave(torch.arange(len(boxes)), torch.tensor([len(own) for own in boxes]))
    levels = _levels(every, strides)
    cells = torch.cat([level.permute(0, 2, 3, 1).flatten(0, 2) for level in maps]).float()
    sizes = torch.tensor([level.shape[-2:] for level in maps])
    begins = torch.tensor([0, *(len(level) * level[0, 0].numel() for level in maps)]).cumsum(0)[:-1]

    scaled = every / strides[levels, None]
    (x, across), (y, along) = (
        _points(scaled[:, axis], scaled[:, axis + 2], sizes[levels, 1 - axis], side, samples) for axis in (0, 1)
    )
    heights, widths = sizes[levels].unbind(1)
    begin = (begins[levels] + images * heights * widths).view(-1, 1, 1, 1, 1)
    rows = begin + y[:, :, None, :, None] * widths.view(-1, 1, 1, 1, 1) + x[:, None, :, None, :]
    shares = along[:, :, None, :, None] * across[:, None, :, None, :] / samples**2
    parts, each = len(every) * side**2, (2 * samples) ** 2
    seen = nn.functional.embedding_bag(
        rows.reshape(parts, each), cells, mode="sum", per_sample_weights=shares.reshape(parts, each)
    )
    return seen.view(-1, side, side, cells.shape[1]).permute(0, 3, 1, 2).to(maps[0].dtype)


def _levels(boxes: Tensor, strides: Tensor) -> Tensor:
    """Return the level that each of the boxes `(N, 4)` is looked at on."""
    sides = ((boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1])).sqrt()
    ideal = torch.floor(_CANONICAL_LEVEL + torch.log2(sides / _CANONICAL_SIDE) + 1e-6)
    finest, coarsest = strides[0].log2(), strides[-1].log2()
    return (ideal.clamp(float(finest), float(coarsest)) - finest).long()


def _points(low: Tensor, high: Tensor, limits: Tensor, side: int, samples: int) -> tuple[Tensor, Tensor]:
    """Return, along one axis, the two cells `(N, side, 2 · samples)` that each point lies between, and their shares.

    Args:
        low: Where boxes begin, in cells, `(N,)`.
        high: Where they end.
        limits: How many cells there are.
        side: How many parts a box has.
        samples: How many points a part has.
    """
    length = (high - low).clamp(min=1)  # as in torchvision, a box is at least a cell wide
    shares = (torch.arange(side * samples) + 0.5) / (side * samples)
    points, limits = low[:, None] + shares * length[:, None], limits[:, None]
    # A cell beyond the map, points count as lying on its border; farther off they are nothing.
    inside = (points >= -1) & (points <= limits)
    points = torch.minimum(points.clamp(min=0), limits - 1)
    first = points.long()
    second = torch.minimum(first + 1, limits - 1)
    part = points - first
    cells = torch.stack([first, second], dim=-1)
    weights = torch.stack([1 - part, part], dim=-1) * inside[..., None]
    return cells.view(-1, side, 2 * samples), weights.view(-1, side, 2 * samples)
