"""A decoder of files that hold several images: `.npy` files `(Z, H, W)` of uint16, whose parts are `z=0`, `z=1` …"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from graft.data.decode import MAX_PIXELS, BadImage
from graft.data.decoder import Decoder
from graft.recipe import Options


class VolumeOptions(Options):
    """What grey values become."""

    top: int = 1000
    """The value that becomes 1."""


class VolumeDecoder(Decoder):
    suffixes = (".npy",)

    def __init__(self, *, options: VolumeOptions | None = None) -> None:
        super().__init__(options=options or VolumeOptions())

    @property
    def channels(self) -> tuple[int, ...]:
        return (1, 3)

    def reads(self, path: Path) -> bool:
        return path.name.endswith(self.suffixes)

    def parts(self, path: Path) -> Sequence[Path]:
        return [path] if path.name.startswith("z=") else [path / f"z={z}" for z in range(len(self._whole(path)))]

    def size(self, path: Path) -> tuple[int, int]:
        return self._slice(path).shape

    def decode(self, path: Path, *, channels: int, max_pixels: int = MAX_PIXELS) -> NDArray[Any]:
        grey = (self._slice(path) / self.options.top).clip(0, 1).astype(np.float32)
        return np.repeat(grey[:, :, None], channels, axis=2)

    def values(self, path: Path, *, like: Path, colours: bool = False) -> NDArray[Any]:
        return self._slice(path / like.name)

    def group(self, path: Path) -> str | None:
        return self.stem(self.file(path)).split("-")[0]

    def _whole(self, path: Path) -> NDArray[np.uint16]:
        try:
            return np.load(path, allow_pickle=False)
        except (OSError, ValueError) as error:
            raise BadImage("corrupt", str(error)) from error

    def _slice(self, path: Path) -> NDArray[np.uint16]:
        return self._whole(path.parent)[int(path.name.removeprefix("z="))]
