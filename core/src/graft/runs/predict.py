"""Predictions for image files, one after the other as they become ready, from a bundle alone. No Lightning."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from numpy.typing import NDArray
from torch import Tensor

from graft.data.batch import stack_images
from graft.data.decode import MAX_PIXELS, BadImage
from graft.data.decoder import Decoder
from graft.data.geometry import prepare_sized
from graft.data.readers import as_text
from graft.data.readers.table import TABLES, listed_paths
from graft.data.spatial import Placement, restored
from graft.data.windows import Region, corners, cut_region, tiles
from graft.errors import UserError
from graft.runs.bundle import Bundle, load_bundle
from graft.runs.devices import pick_device
from graft.runs.sequences import Named, expand_sequences
from graft.sequences import Sequences
from graft.tasks.contract import Prediction
from graft.windows import Grid, Windows

if TYPE_CHECKING:
    from graft.data.samples import Sample
    from graft.plugins import Plugins

_READ_AHEAD = 3
"""Batches that are being decoded while one is being predicted."""

_Read = tuple[NDArray[Any], tuple[int, int]]
"""A file as the network's input, and the (H, W) that it has itself."""

_NAMED = 3
"""Frames of a sequence that cannot be read which are named."""


@dataclass(frozen=True, kw_only=True)
class PredictedFile:
    """What a model says about one file, or one sequence of files.

    Args:
        path: The file; of a sequence, its folder, or its name in a table.
        prediction: The task's own type, or None when a file cannot be read.
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
                (`.csv`, `.tsv`) for the files in its column `path`. For a model of sequences, as `expand_sequences`.
            batch: Images per batch; of sequences, frames, and at least one sequence.
            max_pixels: Larger files are results with an error.

        Raises:
            UserError: When `batch` is not positive, or a folder holds no image at all.
        """
        if batch < 1:
            raise UserError(f"batch = {batch}: at least one image makes a batch")
        given = map(Path, [paths] if isinstance(paths, (str, Path)) else paths)
        if self.bundle.sequences:
            return self._predict(
                expand_sequences(given, self.bundle.decoder, max_frames=self.bundle.max_frames), batch, max_pixels
            )
        return self._predict(((path, (path,)) for path in expand(given, self.bundle.decoder)), batch, max_pixels)

    def predict_samples(
        self, samples: Iterable[Sample], *, batch: int = 32, max_pixels: int = MAX_PIXELS
    ) -> Iterator[PredictedFile]:
        """Yield one result per image or sequence, as `predict` does.

        Args:
            samples: What readers gave.
            batch: Images per batch; of sequences, frames, and at least one sequence.
            max_pixels: Larger files are results with an error.
        """
        return self._predict(((sample.path, sample.files) for sample in samples), batch, max_pixels)

    def _predict(self, items: Iterator[Named], batch: int, max_pixels: int) -> Iterator[PredictedFile]:
        pool = ThreadPoolExecutor(max_workers=os.cpu_count(), thread_name_prefix="decode")
        pending: deque[tuple[Path, list[Future[_Read | str]]]] = deque()
        preprocess, decoder = self.bundle.preprocess, self.bundle.decoder
        ahead = 0  # images in `pending`

        def read(file: Path, alone: bool) -> _Read | str:
            try:
                return prepare_sized(file, preprocess, decoder=decoder, max_pixels=max_pixels)
            except BadImage as error:
                return str(error) if alone else f"{as_text(file.name)}: {error}"

        def more() -> bool:
            nonlocal ahead
            while ahead < batch * _READ_AHEAD and (item := next(items, None)) is not None:
                name, files = item
                pending.append((name, [pool.submit(read, file, len(files) == 1) for file in files]))
                ahead += len(files)
            return bool(pending)

        try:
            while more():
                ready = [pending.popleft()]
                count = len(ready[0][1])
                while pending and count + len(pending[0][1]) <= batch:
                    ready.append(pending.popleft())
                    count += len(ready[-1][1])
                ahead -= count
                yield from self._batch([(name, [image.result() for image in images]) for name, images in ready])
        finally:
            pool.shutdown(cancel_futures=True)

    def _batch(self, items: list[tuple[Path, list[_Read | str]]]) -> Iterator[PredictedFile]:
        read = [[image for image in images if not isinstance(image, str)] for _, images in items]
        whole = [own for own, (_, images) in zip(read, items, strict=True) if len(own) == len(images)]
        predictions = iter(self._predicted([[image for image, _ in own] for own in whole]))
        sizes = iter([own[0][1] for own in whole])
        for path, images in items:
            name = {"path": as_text(str(path))}
            errors = [image for image in images if isinstance(image, str)]
            if errors:
                error = "; ".join(errors[:_NAMED]) + (f" and {len(errors) - _NAMED} more" * (len(errors) > _NAMED))
                yield PredictedFile(path=path, error=error, row={**name, "error": error})
            else:
                prediction = restored(next(predictions), Placement.prepared(next(sizes), self.bundle.preprocess))
                row = {**name, **self.bundle.task.as_row(prediction), "error": None}
                yield PredictedFile(path=path, prediction=prediction, row=row)

    def predict_images(self, images: list[NDArray[Any]]) -> list[Prediction]:
        """Return one prediction per image; the images are `(H, W, C)` as `graft.data.prepare_image` gives them.

        Places that predictions say are in the pixels of these images.
        """
        return self._predicted([[image] for image in images])

    def predict_rows(
        self, size: tuple[int, int], read: Callable[[Region], NDArray[Any]], *, batch: int = 16
    ) -> Iterator[tuple[int, Prediction]]:
        """Yield what is predicted for an image that is never in memory as a whole, in bands of rows from the top.

        For models that see images through windows. Put together, the bands are what `predict` gives for the image.

        Args:
            size: (H, W) of the image.
            read: Gives the pixels of a region that lies in the image, `(h, w, C)` as a decoder does.
            batch: Windows at a time.

        Yields:
            A band's first row, and the prediction for it.

        Raises:
            UserError: When the model sees images as a whole.
        """
        preprocess = self.bundle.preprocess
        if preprocess.resize != "windows":
            raise UserError(f"{self.bundle.path}: a model for '{self.bundle.task_name}' sees images as a whole")
        grid = Grid(corners(size, preprocess), preprocess.size, size, preprocess.overlap)
        with torch.inference_mode():
            for top, band in grid.bands(self._of_windows(grid, read, batch)):
                outputs = band[""] if list(band) == [""] else band
                height = next(iter(band.values())).shape[2]
                yield top, self._model.head.decode(outputs, [(height, size[1])])[0]

    def _of_windows(
        self, grid: Grid, read: Callable[[Region], NDArray[Any]], batch: int
    ) -> Iterator[Tensor | Mapping[str, Tensor]]:
        """Yield what the model gives for some windows at a time."""
        (height, width), (h, w) = grid.size, grid.window
        for first in range(0, len(grid.corners), batch):
            seen = []
            for top, left in grid.corners[first : first + batch]:
                part = read((top, left, min(h, height - top), min(w, width - left)))
                seen.append(cut_region(part, (0, 0, h, w)))
            yield self._model(stack_images(seen).to(self.device))

    def _predicted(self, items: list[list[NDArray[Any]]]) -> list[Prediction]:
        """Return one prediction per image or sequence."""
        if not items:
            return []
        if self.bundle.preprocess.resize == "windows":
            return [self._in_windows(image) for (image,) in items]
        stacked = stack_images([image for own in items for image in own]).to(self.device)
        lengths = tuple(map(len, items))
        with torch.inference_mode():
            outputs = self._model(Sequences(stacked, lengths) if self._of_sequences(lengths) else stacked)
            height, width = stacked.shape[-2:]
            return self._model.head.decode(outputs, [(height, width)] * len(items))

    def _in_windows(self, image: NDArray[Any]) -> Prediction:
        preprocess, size = self.bundle.preprocess, (image.shape[0], image.shape[1])
        seen, places = tiles(image, preprocess)
        grid = Grid(places, preprocess.size, size, preprocess.overlap)
        with torch.inference_mode():
            outputs = self._model(Windows(stack_images(seen).to(self.device), grid))
            return self._model.head.decode(outputs, [size])[0]

    def _of_sequences(self, lengths: tuple[int, ...]) -> bool:
        return self.bundle.sequences or any(length > 1 for length in lengths)


def expand(paths: Iterable[Path], decoder: Decoder) -> Iterator[Path]:
    """Yield the images of files, for each folder those in it and below it, sorted, and for each table those it lists.

    A file that cannot be read and a folder below that may not be read are yielded themselves, so that they become
    results with an error.

    Raises:
        UserError: When a folder holds no image.
        DataError: When a table has no column `path`.
    """
    for path in paths:
        if path.is_dir():
            files: Iterable[Path] = _images_in(path, decoder)
        elif path.suffix.lower() in TABLES and path.is_file():
            files = listed_paths(path)
        else:
            files = (path,)
        for file in files:
            try:
                yield from decoder.parts(file)
            except (BadImage, OSError):
                yield file


def _images_in(root: Path, decoder: Decoder) -> Iterator[Path]:
    closed: list[Path] = []
    found = False
    for folder, folders, names in os.walk(root, onerror=lambda error: closed.append(Path(error.filename))):
        folders.sort()
        for name in sorted(names):
            if decoder.reads(Path(folder, name)):
                found = True
                yield Path(folder, name)
    yield from closed
    if not found and not closed:
        raise UserError(f"{root}: no image in this folder or below it")
