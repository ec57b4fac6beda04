"""Predictions for image files, one after the other as they become ready, from a bundle alone. No Lightning."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from numpy.typing import NDArray

from graft.data.dataset import stack_images
from graft.data.decode import MAX_PIXELS, BadImage
from graft.data.geometry import prepare_image
from graft.data.readers import as_text, is_image
from graft.data.readers.table import TABLES, listed_paths
from graft.errors import UserError
from graft.runs.bundle import Bundle, load_bundle
from graft.runs.devices import pick_device
from graft.tasks.contract import Prediction

if TYPE_CHECKING:
    from graft.plugins import Plugins

_READ_AHEAD = 3
"""Batches that are being decoded while one is being predicted."""


@dataclass(frozen=True, kw_only=True)
class PredictedFile:
    """What a model says about one file.

    Args:
        path: The file.
        prediction: The task's own type, or None when the file cannot be read.
        error: Why it cannot be read, or None.
        row: `path`, the task's plain values and `error`, for CSV and JSON.
    """

    path: Path
    prediction: Prediction | None = None
    error: str | None = None
    row: dict[str, Any] = field(default_factory=dict)


class Predictor:
    """Predicts image files with the model of a bundle.

    Images are prepared exactly as in evaluation.

    Args:
        bundle: Its model is moved to `device`.
        device: `auto`, `cpu`, `cuda` or `mps`.

    Raises:
        UserError: When there is no such device.
    """

    def __init__(self, bundle: Bundle, *, device: str = "auto") -> None:
        self.bundle = bundle
        self.device = pick_device(device)
        self._model = bundle.model.to(self.device)

    @classmethod
    def from_path(cls, path: Path | str, *, plugins: Plugins | None = None, device: str = "auto") -> Predictor:
        """Return a predictor for a run folder or a bundle folder.

        Args:
            path: The folder.
            plugins: By default whatever is installed.
            device: `auto`, `cpu`, `cuda` or `mps`.

        Raises:
            RunError: When there is no intact bundle.
            PluginError: When it needs a plugin that is not there.
            UserError: When there is no such device.
        """
        if plugins is None:
            from graft.plugins import load_plugins

            plugins = load_plugins()
        return cls(load_bundle(Path(path), plugins=plugins), device=device)

    def predict(
        self, paths: Iterable[Path | str] | Path | str, *, batch: int = 32, max_pixels: int = MAX_PIXELS
    ) -> Iterator[PredictedFile]:
        """Yield one result per file, in order, as soon as its batch is done.

        Args:
            paths: Files and folders; a folder stands for all images in it and below it, sorted by path, and a table
                (`.csv`, `.tsv`) for the files in its column `path`.
            batch: Images per batch.
            max_pixels: Larger files are results with an error.

        Raises:
            UserError: When `batch` is not positive, or a folder holds no image at all.
        """
        if batch < 1:
            raise UserError(f"batch = {batch}: at least one image makes a batch")
        given = [paths] if isinstance(paths, (str, Path)) else paths
        return self._predict(expand(map(Path, given)), batch, max_pixels)

    def _predict(self, files: Iterator[Path], batch: int, max_pixels: int) -> Iterator[PredictedFile]:
        pool = ThreadPoolExecutor(max_workers=os.cpu_count(), thread_name_prefix="decode")
        pending: deque[tuple[Path, Future[NDArray[Any] | str]]] = deque()
        preprocess = self.bundle.preprocess

        def read(file: Path) -> NDArray[Any] | str:
            try:
                return prepare_image(file, preprocess, max_pixels=max_pixels)
            except BadImage as error:
                return str(error)

        def more() -> bool:
            wanted = batch * _READ_AHEAD - len(pending)
            pending.extend((file, pool.submit(read, file)) for file in islice(files, wanted))
            return bool(pending)

        try:
            while more():
                ready = [pending.popleft() for _ in range(min(batch, len(pending)))]
                yield from self._batch([(file, image.result()) for file, image in ready])
        finally:
            pool.shutdown(cancel_futures=True)

    def _batch(self, items: list[tuple[Path, NDArray[Any] | str]]) -> Iterator[PredictedFile]:
        predictions = iter(self.predict_images([image for _, image in items if not isinstance(image, str)]))
        for file, image in items:
            name = {"path": as_text(str(file))}
            if isinstance(image, str):
                yield PredictedFile(path=file, error=image, row={**name, "error": image})
            else:
                prediction = next(predictions)
                row = {**name, **self.bundle.task.as_row(prediction), "error": None}
                yield PredictedFile(path=file, prediction=prediction, row=row)

    def predict_images(self, images: list[NDArray[Any]]) -> list[Prediction]:
        """Return one prediction per image; the images are `(H, W, C)` as `graft.data.prepare_image` gives them."""
        if not images:
            return []
        stacked = stack_images(images)
        with torch.inference_mode():
            outputs = self._model(stacked.to(self.device))
            height, width = stacked.shape[-2:]
            return self._model.head.decode(outputs, [(height, width)] * len(images))


def expand(paths: Iterable[Path]) -> Iterator[Path]:
    """Yield files as they are, for each folder the images in it and below it, sorted, and for each table its images.

    A folder below that may not be read is yielded itself, so that it becomes a result with an error.

    Raises:
        UserError: When a folder holds no image.
        DataError: When a table has no column `path`.
    """
    for path in paths:
        if path.is_dir():
            yield from _images_in(path)
        elif path.suffix.lower() in TABLES and path.is_file():
            yield from listed_paths(path)
        else:
            yield path


def _images_in(root: Path) -> Iterator[Path]:
    closed: list[Path] = []
    found = False
    for folder, folders, names in os.walk(root, onerror=lambda error: closed.append(Path(error.filename))):
        folders.sort()
        for name in sorted(names):
            if is_image(name):
                found = True
                yield Path(folder, name)
    yield from closed
    if not found and not closed:
        raise UserError(f"{root}: no image in this folder or below it")
