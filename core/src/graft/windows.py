"""One large image as a network takes it: through windows that overlap, and what comes out of them put together."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
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
        corners: Top and left of each window in pixels, row by row.
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
        bands: list[dict[str, Tensor]] = [band for _, band in self.bands(given)]
        whole = {name: torch.cat([band[name] for band in bands], dim=2) for name in bands[0]}
        return whole[""] if list(whole) == [""] else whole

    def bands(self, given: Iterable[Tensor | Mapping[str, Tensor]]) -> Iterator[tuple[int, dict[str, Tensor]]]:
        """Yield what `stitched` returns in bands of rows, from the top, each as soon as no window reaches into it.

        In memory are the rows of one row of windows, however large the image is.

        Args:
            given: As for `stitched`; maps without a name have the name "".

        Yields:
            The band's first row, and its maps `(1, K, h, W)` by name.

        Raises:
            ValueError: When what is given is no map of its window, or the corners are not row by row.
        """
        columns = max(self.size[1], self.window[1])
        sums: dict[str, Tensor] = {}
        total = torch.zeros(0)
        top = 0

        def finished(rows: int) -> dict[str, Tensor]:
            rows = min(rows, self.size[0] - top)
            parts = {name: value[:, :rows] / total[:rows] for name, value in sums.items()}
            return {name: part[None, :, :, : self.size[1]] for name, part in parts.items()}

        for corner, maps in self._placed(given):
            if not sums:
                sums = {name: one.new_zeros((len(one), self.window[0], columns)) for name, one in maps.items()}
                total = next(iter(sums.values())).new_zeros((self.window[0], columns))
            if (down := corner[0] - top) > 0:
                yield top, finished(down)
                sums = {name: _moved_up(value, down) for name, value in sums.items()}
                total, top = _moved_up(total, down), corner[0]
            elif down < 0:
                raise ValueError("windows are put together row by row")
            part = slice(corner[1], corner[1] + self.window[1])
            weight = self._weight(corner, max(self.size[0], self.window[0]), columns).to(total)
            total[:, part] += weight
            for name, one in maps.items():
                sums[name][:, :, part] += one * weight
        if sums:
            yield top, finished(self.window[0])

    def _placed(self, given: Iterable[Tensor | Mapping[str, Tensor]]) -> Iterator[tuple[Corner, dict[str, Tensor]]]:
        """Yield each window's corner and its maps `(K, h, w)` by name."""
        places = iter(self.corners)
        for some in given:
            named = {"": some} if isinstance(some, Tensor) else dict(some)
            for name, maps in named.items():
                if maps.ndim != 4 or tuple(maps.shape[-2:]) != self.window:
                    what = f"a head gives {tuple(maps.shape)}{f' for {name!r}' if name else ''}"
                    raise ValueError(f"{what}; windows of {self.window} can be put together from maps of their size")
            for index in range(len(next(iter(named.values())))):
                yield next(places), {name: maps[index] for name, maps in named.items()}

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


def _moved_up(value: Tensor, rows: int) -> Tensor:
    """Return `(…, h, W)` with so many rows fewer at the top, and as many zeros below."""
    return torch.cat([value[..., rows:, :], torch.zeros_like(value[..., :rows, :])], dim=-2)


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
