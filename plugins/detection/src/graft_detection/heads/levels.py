"""The feature maps that a detector looks at, and the anchors on them."""

from __future__ import annotations

import math
from collections import OrderedDict
from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torchvision.ops import FeaturePyramidNetwork

from graft.backbones import BackboneInfo
from graft_detection.options import DetectorOptions

_GROUPS = 32
"""Of channels in a norm, as in the paper; fewer where the width is no multiple of twice as many, since one channel of
one pixel has no statistics."""


class Levels(nn.Module):
    """A feature pyramid network (Lin et al. 2017) on a backbone's stages, and coarser levels behind it.

    It has one level for each reduction from `finest` on, and `extra` levels, each half as fine as the one before, by
    convolutions of stride 2 (Lin et al. 2017, RetinaNet's P6 and P7). The pyramid has group norms (Wu and He 2018),
    which need no large batches: backbones' maps differ tenfold in scale, and first scores would do so with them.

    Args:
        info: The backbone's stages; one of them is as coarse as `finest`.
        options: `finest`, `extra` and `width`.
    """

    def __init__(self, info: BackboneInfo, options: DetectorOptions) -> None:
        super().__init__()
        # Of several stages with one reduction the last one has seen most.
        last = {stage.reduction: number for number, stage in enumerate(info.stages)}
        self.stages = tuple(number for reduction, number in sorted(last.items()) if reduction >= options.finest)
        channels = [info.stages[number].channels for number in self.stages]
        self.fpn = FeaturePyramidNetwork(channels, options.width, norm_layer=_group_norm)
        self.coarser = nn.ModuleList(
            nn.Conv2d(options.width, options.width, 3, stride=2, padding=1) for _ in range(options.extra)
        )
        self.count = len(self.stages) + options.extra

    def forward(self, pyramid: Sequence[Tensor]) -> list[Tensor]:
        """Return `(B, width, H_i, W_i)` for each level, the finest first, from the maps of all stages."""
        named = OrderedDict((str(number), pyramid[number]) for number in self.stages)
        maps = list(self.fpn(named).values())
        for number, layer in enumerate(self.coarser):
            maps.append(layer(maps[-1] if number == 0 else torch.relu(maps[-1])))
        return maps


def _group_norm(channels: int) -> nn.GroupNorm:
    return nn.GroupNorm(math.gcd(_GROUPS, channels, channels // 2), channels)


class Anchors(nn.Module):
    """Boxes of several sizes and shapes around each cell of each level.

    Args:
        scale: Side of a level's smallest square anchor, in cells.
        octave: How many sizes a level has, evenly from its own up to the next level's.
        ratios: Height over width of each shape.
    """

    def __init__(self, *, scale: float, octave: int, ratios: Sequence[float]) -> None:
        super().__init__()
        self.sizes = tuple(scale * 2 ** (step / octave) for step in range(octave))
        self.ratios = tuple(ratios)
        self.per_cell = octave * len(ratios)

    def forward(self, maps: Sequence[Tensor], image_size: tuple[int, int]) -> Tensor:
        """Return `(A, 4)` boxes in pixels, in the order of levels, rows, columns, shapes."""
        parts = []
        height, width = image_size
        for level in maps:
            rows, columns = level.shape[-2:]
            stride = torch.tensor([width / columns, height / rows], dtype=torch.float32, device=level.device)
            parts.append(self._level(rows, columns, stride))
        return torch.cat(parts)

    def _level(self, rows: int, columns: int, stride: Tensor) -> Tensor:
        ratios = torch.tensor(self.ratios, dtype=torch.float32, device=stride.device)
        sizes = torch.tensor(self.sizes, dtype=torch.float32, device=stride.device)
        heights = (ratios.sqrt()[:, None] * sizes).flatten()
        widths = (sizes / ratios.sqrt()[:, None]).flatten()
        shapes = torch.stack([-widths, -heights, widths, heights], dim=1) / 2
        x = torch.arange(columns, dtype=torch.float32, device=stride.device) + 0.5
        y = torch.arange(rows, dtype=torch.float32, device=stride.device) + 0.5
        y, x = torch.meshgrid(y, x, indexing="ij")
        centres = torch.stack([x, y, x, y], dim=-1).reshape(-1, 1, 4)
        return ((centres + shapes) * stride.repeat(2)).reshape(-1, 4)
