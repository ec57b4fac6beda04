"""Features of images from a pretrained backbone, calculated once and kept by the images' content."""

from __future__ import annotations

import hashlib
import os
from collections import Counter, defaultdict, deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any, Literal, TypeVar, get_args

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from graft.backbones.load import LoadedBackbone
from graft.console import Console
from graft.data.arrays import from_array
from graft.data.batch import stack_images
from graft.data.decode import MAX_PIXELS, BadImage
from graft.data.decoder import STANDARD, Decoder
from graft.data.geometry import centre_crop, prepare_image, resize
from graft.errors import DataError, Problem, UserError, did_you_mean
from graft.features.fingerprint import key_of, space_of
from graft.features.store import Row, RowStore
from graft.model import normalised
from graft.recipe.schema import Cache
from graft.recipe.values import cache_bytes
from graft.runs.devices import pick_device

EMBEDDING = "embedding"
"""In place of a stage's name: the pooled embedding, as the weights' own classifier sees it."""

Pool = Literal["gap", "gem", "max", "none"]
"""How a feature map becomes a vector: mean, generalised mean (p = 3; Radenović et al. 2019), maximum; or not at all."""

_READ_AHEAD = 3
_GEM = 3.0
_GEM_FLOOR = 1e-6

T = TypeVar("T")

_Known = tuple[bytes, NDArray[Any] | BadImage | None]
"""An image's key, and its pixels; None in place of the pixels where the store has its features."""


@dataclass(frozen=True)
class Extracted:
    """Features of the images that could be read.

    Args:
        features: For each stage `(N, D)`, or `(N, C, H, W)` when they are not pooled; empty where no image is good.
        bad: What is wrong with the others, by their places among all images.
    """

    features: Mapping[str, NDArray[np.float32]]
    bad: Mapping[int, BadImage]


class Extractor:
    """Gives features of images, from the cache where it has them.

    Images are prepared as for prediction. The cache is asked by their content: a renamed file is known, a changed one
    is not.

    Args:
        loaded: The backbone with its weights. It is put into eval mode and on the device.
        stages: Names of stages, or `embedding`.
        pool: How maps become vectors; the embedding is one already.
        device: `auto`, `cpu`, `cuda` or `mps`.
        batch: Images that are calculated together.
        decoder: Turns files into pixels.
        max_pixels: Larger files are refused.
        limit: Largest size of the whole cache, as in `4GB`; `0` keeps nothing.
        pixels: Gives a file's pixels as `graft.data.prepare_image` does, for those who have them already.

    Raises:
        UserError: When the backbone has no such stage, or there is no such way to pool or no such device.
    """

    def __init__(
        self,
        loaded: LoadedBackbone,
        *,
        stages: Sequence[str] = (EMBEDDING,),
        pool: Pool = "gap",
        device: str = "auto",
        batch: int = 32,
        decoder: Decoder = STANDARD,
        max_pixels: int = MAX_PIXELS,
        limit: str = Cache().limit,
        pixels: Callable[[Path], NDArray[Any]] | None = None,
    ) -> None:
        backbone = loaded.backbone
        names = [stage.name for stage in backbone.info.stages]
        problems = [
            Problem(stage, "no such stage", did_you_mean(stage, [*names, EMBEDDING]))
            for stage in stages
            if stage not in (*names, EMBEDDING)
        ]
        problems += [Problem(stage, "is named twice") for stage, n in Counter(stages).items() if n > 1]
        if pool not in get_args(Pool):
            problems.append(Problem(f"pool {pool}", f"there are {', '.join(get_args(Pool))}"))
        if problems or not stages:
            fix = f"{loaded.source}:{loaded.arch} has {', '.join(names)} and {EMBEDDING}"
            raise UserError("no features can be taken there", problems=problems, fix=fix)
        weights = loaded.weights.name if loaded.weights is not None else "random weights"
        self.name = f"{loaded.source}:{loaded.arch}, {weights}"
        self.device = pick_device(device)
        self.backbone = backbone.eval().to(self.device)
        self.stages = tuple(stages)
        self.pool = pool
        self.batch = batch
        self.decoder = decoder
        self.max_pixels = max_pixels
        self.limit = cache_bytes(limit)
        self.pixels = pixels
        self._depth = max(names.index(stage) + 1 if stage in names else len(names) for stage in stages)

    @property
    def widths(self) -> dict[str, int]:
        """The number of values that each stage gives; of channels, where maps are not pooled."""
        info = self.backbone.info
        channels = {stage.name: stage.channels for stage in info.stages} | {EMBEDDING: info.embed_dim}
        return {stage: channels[stage] for stage in self.stages}

    def __call__(self, paths: Sequence[Path], *, console: Console) -> dict[str, NDArray[np.float32]]:
        """Return the features of each stage for all files, `(N, D)`, or `(N, C, H, W)` when they are not pooled.

        Raises:
            DataError: With every file that cannot be read as an image; when there is no file.
        """
        found = self.readable(paths, console=console)
        if found.bad:
            problems = [Problem(str(paths[i]), str(error)) for i, error in found.bad.items()]
            raise DataError(
                f"{len(problems)} of {len(paths)} images cannot be read", problems=problems, fix="leave them out"
            )
        return dict(found.features)

    def readable(self, paths: Sequence[Path], *, console: Console) -> Extracted:
        """Return the features of the files that can be read, and what is wrong with the others.

        Raises:
            DataError: When there is no file.
        """
        store = self._store(console.warn)
        return self._features(len(paths), self._ahead(partial(self._read, store=store), paths), store, console)

    def arrays(self, images: Sequence[NDArray[Any]], *, console: Console) -> Extracted:
        """Return the features of images in memory: those of a file with the same pixels, to the last bit.

        Args:
            images: As `graft.data.arrays.from_array` takes them; they need not be of one size. An array
                `(N, H, W[, C])` is such a sequence.
            console: Shows how far it is.

        Raises:
            DataError: When there is no image.
        """
        store = self._store(console.warn)
        return self._features(len(images), self._ahead(partial(self._pixels, store=store), images), store, console)

    def _features(self, n: int, images: Iterator[_Known], store: RowStore, console: Console) -> Extracted:
        if not n:
            raise DataError("no image was given", fix="name at least one")
        names: list[bytes] = []
        bad: dict[int, BadImage] = {}
        rows: dict[bytes, Row] = {}
        # Pixels of two types are not calculated together: they would become one, whose rounding is another.
        waiting: defaultdict[np.dtype[Any], dict[bytes, NDArray[Any]]] = defaultdict(dict)
        with console.progress("Features", n) as progress:
            for index, (name, image) in enumerate(images):
                if isinstance(image, BadImage):
                    bad[index] = image
                else:
                    names.append(name)
                    if image is None:
                        rows[name] = store[name]
                    elif name not in rows:
                        same = waiting[image.dtype]
                        same[name] = image
                        if len(same) == self.batch:
                            self._calculate(waiting.pop(image.dtype), rows, store)
                progress.advance()
            for same in waiting.values():
                self._calculate(same, rows, store)
        store.flush()
        features = [torch.stack(part).float().numpy() for part in zip(*(rows[name] for name in names), strict=True)]
        return Extracted(features=dict(zip(self.stages, features, strict=bool(names))), bad=bad)

    def _calculate(self, waiting: Mapping[bytes, NDArray[Any]], rows: dict[bytes, Row], store: RowStore) -> None:
        """Calculate images among as many as in every other batch: what comes of one may not depend on the others."""
        images = stack_images(list(waiting.values()))
        n = len(images)
        images = torch.cat([images, images[-1:].expand(self.batch - n, *images.shape[1:])])
        parts = [part[:n].cpu() for part in self._parts(images.to(self.device))]
        for name, row in zip(waiting, zip(*parts, strict=True), strict=True):
            store.put(name, row)
            rows[name] = row

    @torch.inference_mode()
    def _parts(self, images: Tensor) -> list[Tensor]:
        backbone = self.backbone
        h = normalised(images, backbone.preprocess)
        maps = {}
        for stage, info in zip(backbone.stages[: self._depth], backbone.info.stages, strict=False):
            h = stage(h)
            maps[info.name] = h
        return [backbone.tail(h) if stage == EMBEDDING else _pooled(maps[stage], self.pool) for stage in self.stages]

    def _read(self, path: Path, *, store: RowStore) -> _Known:
        try:
            name = key_of(self.decoder.digest(path))
        except BadImage as error:
            return b"", error
        if name in store:
            return name, None
        try:
            if self.pixels is not None:
                return name, self.pixels(path)
            return name, prepare_image(path, self.backbone.preprocess, decoder=self.decoder, max_pixels=self.max_pixels)
        except BadImage as error:
            return name, error

    def _pixels(self, image: NDArray[Any], *, store: RowStore) -> _Known:
        preprocess = self.backbone.preprocess
        try:
            image = np.ascontiguousarray(from_array(image, channels=preprocess.channels))
        except BadImage as error:
            return b"", error
        digest = hashlib.sha256(f"{image.dtype} {image.shape}\n".encode())
        digest.update(image.data)
        name = key_of(digest.hexdigest(), "pixels")
        return name, None if name in store else centre_crop(resize(image, preprocess), preprocess)

    def _ahead(self, known: Callable[[T], _Known], images: Iterable[T]) -> Iterator[_Known]:
        """Yield what is known of each image, in order, while the next ones are being read."""
        pool = ThreadPoolExecutor(max_workers=os.cpu_count(), thread_name_prefix="decode")
        coming = iter(images)
        pending: deque[Future[_Known]] = deque()
        try:
            while True:
                pending.extend(
                    pool.submit(known, image) for image in islice(coming, _READ_AHEAD * self.batch - len(pending))
                )
                if not pending:
                    return
                yield pending.popleft().result()
        finally:
            pool.shutdown(cancel_futures=True)

    def _store(self, warn: Callable[[str], None]) -> RowStore:
        backbone = self.backbone
        pooled = f", pooled by {self.pool}" if self.stages != (EMBEDDING,) else ""
        space, about = space_of(
            *backbone.stages[: self._depth],
            *([backbone.tail] if EMBEDDING in self.stages else []),
            gives=" ".join(self.stages) + pooled,
            preprocess=backbone.preprocess,
            device=self.device.type,
            among=self.batch,
            decoder=self.decoder.identity,
        )
        return RowStore(space, about={"backbone": self.name, **about}, limit=self.limit, warn=warn)


def _pooled(maps: Tensor, pool: Pool) -> Tensor:
    """Return `(B, C, H, W)` maps as vectors `(B, C)`, or as they are."""
    if pool == "gap":
        return maps.mean(dim=(2, 3))
    if pool == "max":
        return maps.amax(dim=(2, 3))
    if pool == "gem":
        return maps.clamp(min=_GEM_FLOOR).pow(_GEM).mean(dim=(2, 3)).pow(1 / _GEM)
    return maps
