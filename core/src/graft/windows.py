"""One large image as a network takes it: through windows that overlap, and what comes out of them put together."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from graft.data.windows import Corner

_MARGIN = 0.25
"""Share of an overlap next to a window's border that counts nothing: there the window saw too little around a pixel."""


@dataclass(frozen=True)
class Grid:
    """Where windows lie in an image.

    Args:
        corners: Top and left of each window in pixels.
        window: (h, w) of a window.
        size: (H, W) of the image.
        overlap: Share of a window that it has in common with the next one, at least.
    """

    corners: tuple[Corner, ...]
    window: tuple[int, int]
    size: tuple[int, int]
    overlap: float

    def stitched(self, given: Iterable[Tensor | Mapping[str, Tensor]]) -> Tensor | dict[str, Tensor]:
        """Return maps of the windows as maps of the whole image, `(1, K, H, W)`, or such by name.

        Where windows overlap, each counts the more the further a pixel is from its border, and next to the border
        nothing; at the image's own border it counts in full. A network that looks no further than this margin gives
        through windows what it gives for the whole image.

        Args:
            given: Maps `(t, K, h, w)`, or such by name, of some windows at a time, in the order of `corners`.

        Raises:
            ValueError: When what is given is no map of its window.
        """
        sums: dict[str, Tensor] = {}
        single = True
        places = iter(self.corners)
        rows, columns = (max(have, part) for have, part in zip(self.size, self.window, strict=True))
        total = torch.zeros(0)
        for some in given:
            single = isinstance(some, Tensor)
            named = {"": some} if isinstance(some, Tensor) else dict(some)
            count = len(next(iter(named.values())))
            here = [next(places) for _ in range(count)]
            for name, maps in named.items():
                if maps.ndim != 4 or tuple(maps.shape[-2:]) != self.window:
                    what = f"a head gives {tuple(maps.shape)}{f' for {name!r}' if name else ''}"
                    raise ValueError(f"{what}; windows of {self.window} can be put together from maps of their size")
                if name not in sums:
                    sums[name] = maps.new_zeros((maps.shape[1], rows, columns))
            if not total.numel():
                total = next(iter(sums.values())).new_zeros((rows, columns))
            for index, (top, left) in enumerate(here):
                part = slice(top, top + self.window[0]), slice(left, left + self.window[1])
                weight = self._weight((top, left), rows, columns).to(total)
                total[part] += weight
                for name, maps in named.items():
                    sums[name][:, *part] += maps[index] * weight
        height, width = self.size
        whole = {name: (value / total)[None, :, :height, :width] for name, value in sums.items()}
        return whole[""] if single else whole

    def _weight(self, corner: Corner, rows: int, columns: int) -> Tensor:
        """Return how much each pixel of a window counts, `(h, w)`."""
        down, across = (
            self._ramp(length, before=start > 0, after=start + length < have)
            for start, length, have in zip(corner, self.window, (rows, columns), strict=True)
        )
        return down[:, None] * across[None, :]

    def _ramp(self, length: int, *, before: bool, after: bool) -> Tensor:
        """Return how much each pixel counts along one side; the overlap begins `before` and `after` it, or not."""
        overlap = int(-(-length * self.overlap // 1))
        margin = int(overlap * _MARGIN)
        weight = torch.ones(length)
        if overlap - 2 * margin > 0:
            rise = ((torch.arange(length) + 0.5 - margin) / (overlap - 2 * margin)).clamp(0, 1)
            weight = weight * (rise if before else 1) * (rise.flip(0) if after else 1)
        return weight


@dataclass(frozen=True)
class Windows:
    """What is seen of one image through windows: stands in the place of a batch of one image.

    Args:
        tiles: `(T, C, h, w)`, one per window.
        grid: Where they lie.
    """

    tiles: Tensor
    grid: Grid

    @property
    def image_size(self) -> tuple[int, int]:
        """(H, W) of the whole image in pixels."""
        return self.grid.size

    def to(self, device: torch.device | str, non_blocking: bool = False) -> Windows:
        """Return them on `device`."""
        return replace(self, tiles=self.tiles.to(device, non_blocking=non_blocking))

    def pin_memory(self) -> Windows:
        """Return them in page-locked memory."""
        return replace(self, tiles=self.tiles.pin_memory())

    def __len__(self) -> int:
        return 1
