"""Decoded and resized images, kept in memory so that each file is decoded once. Torch-free."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from graft.data.decode import MAX_PIXELS
from graft.data.decoder import STANDARD, Decoder
from graft.data.geometry import resize
from graft.errors import DataError
from graft.preprocess import Preprocess


class PixelStore:
    """Gives files as resized images, from memory after the first time.

    The images are the same with and without memory for them; only the time differs. Threads may share a store. A loader
    process that is forked shares the memory with its parent; one that is spawned starts with an empty store.

    Args:
        preprocess: How images are resized, and to how many channels they are decoded.
        decoder: Decodes them.
        max_pixels: Larger files are refused.
        cache_mb: Memory for images, in MiB; the files that do not fit are decoded each time.

    Raises:
        DataError: When `preprocess` asks for channels that image files do not have.
    """

    def __init__(
        self,
        preprocess: Preprocess,
        *,
        decoder: Decoder = STANDARD,
        max_pixels: int = MAX_PIXELS,
        cache_mb: int = 2048,
    ) -> None:
        if preprocess.channels not in decoder.channels:
            given = " or ".join(map(str, decoder.channels))
            raise DataError(
                f"backbone.channels = {preprocess.channels}, but image files are read with {given} channels",
                fix=f"set backbone.channels to {given}",
            )
        self.preprocess = preprocess
        self.decoder = decoder
        self.max_pixels = max_pixels
        self._room = cache_mb * 2**20
        self._capacity = self._room
        self._images: dict[Path, NDArray[Any]] = {}
        self._sizes: dict[Path, tuple[int, int]] = {}
        self._lock = threading.Lock()

    def load(self, path: Path) -> NDArray[Any]:
        """Return the image in `path` after `geometry.resize`, `(h, w, C)`; it is shared and must not be changed.

        Raises:
            BadImage: When the file cannot be read as an image.
        """
        known = self._images.get(path)
        if known is not None:
            return known
        whole = self.decoder.decode(path, channels=self.preprocess.channels, max_pixels=self.max_pixels)
        self._sizes[path] = whole.shape[0], whole.shape[1]
        image = np.ascontiguousarray(resize(whole, self.preprocess))
        image.setflags(write=False)
        with self._lock:
            if path not in self._images and image.nbytes <= self._room:
                self._images[path] = image
                self._room -= image.nbytes
        return image

    def size(self, path: Path) -> tuple[int, int]:
        """Return the (H, W) of the image in `path` as the file has it; known from the first time that it was loaded.

        Raises:
            BadImage: When the file cannot be read as an image.
        """
        if path not in self._sizes:
            self.load(path)
        return self._sizes[path]

    def __len__(self) -> int:
        """Return how many images are in memory."""
        return len(self._images)

    def share(self, processes: int) -> None:
        """Leave room for as many stores of the same size: called in each of `processes` that spawned empty ones."""
        if not self._images:
            self._room = self._capacity // processes

    def __getstate__(self) -> dict[str, Any]:
        # A spawned process would receive gigabytes through a pipe.
        return {**self.__dict__, "_images": {}, "_room": self._capacity, "_lock": None}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._lock = threading.Lock()
