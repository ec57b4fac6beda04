"""Features of image files from a pretrained backbone, calculated once and kept by the images' content."""

from __future__ import annotations

import hashlib
import io
import os
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import islice
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from graft.backbones.load import LoadedBackbone
from graft.console import Console
from graft.data.dataset import stack_images
from graft.data.decode import MAX_PIXELS, BadImage
from graft.data.geometry import prepare_image
from graft.errors import DataError, Problem, UserError, did_you_mean
from graft.features.fingerprint import key_of, space_of
from graft.features.store import Row, RowStore
from graft.model import normalised
from graft.recipe.schema import Cache, cache_bytes
from graft.runs.devices import pick_device

EMBEDDING = "embedding"
"""In place of a stage's name: the pooled embedding, as the weights' own classifier sees it."""

Pool = Literal["gap", "gem", "max", "none"]
"""How a feature map becomes a vector: mean, generalised mean (p = 3; Radenović et al. 2019), maximum; or not at all."""

_READ_AHEAD = 3
_GEM = 3.0
_GEM_FLOOR = 1e-6


class Extractor:
    """Gives features of image files, from the cache where it has them.

    Images are prepared as for prediction. The cache is asked by their content: a renamed file is known, a changed one
    is not.

    Args:
        loaded: The backbone with its weights. It is put into eval mode and on the device.
        stages: Names of stages, or `embedding`.
        pool: How maps become vectors; the embedding is one already.
        device: `auto`, `cpu`, `cuda` or `mps`.
        batch: Images that are calculated together.
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
        if pool not in get_args(Pool):
            problems.append(Problem(f"pool {pool}", f"there are {', '.join(get_args(Pool))}"))
        if problems or not stages:
            fix = f"{loaded.source}:{loaded.arch} has {', '.join(names)} and {EMBEDDING}"
            raise UserError("no features can be taken there", problems=problems, fix=fix)
        self.device = pick_device(device)
        self.backbone = backbone.eval().to(self.device)
        self.stages = tuple(stages)
        self.pool = pool
        self.batch = batch
        self.max_pixels = max_pixels
        self.limit = cache_bytes(limit)
        self.pixels = pixels
        self._depth = max(names.index(stage) + 1 if stage in names else len(names) for stage in stages)

    def __call__(self, paths: Sequence[Path], *, console: Console) -> dict[str, NDArray[np.float32]]:
        """Return the features of each stage for all files, `(N, D)`, or `(N, C, H, W)` when they are not pooled.

        Raises:
            DataError: With every file that cannot be read as an image.
        """
        store = self._store(console.warn)
        names: list[bytes] = []
        bad: list[Problem] = []
        rows: dict[bytes, Row] = {}
        waiting: list[tuple[bytes, NDArray[Any]]] = []
        with console.progress("Features", len(paths)) as progress:
            for path, (name, image) in zip(paths, self._read(paths, store), strict=True):
                names.append(name)
                if isinstance(image, BadImage):
                    bad.append(Problem(str(path), f"{image.reason} [{image.code}]"))
                elif image is None:
                    rows[name] = store[name]
                elif name not in rows:
                    waiting.append((name, image))
                if len(waiting) == self.batch:
                    self._calculate(waiting, rows, store)
                    waiting = []
                progress.advance()
            if waiting and not bad:
                self._calculate(waiting, rows, store)
        store.flush()
        if bad:
            raise DataError(f"{len(bad)} of {len(paths)} images cannot be read", problems=bad, fix="leave them out")
        stacked = [torch.stack(part).float().numpy() for part in zip(*(rows[name] for name in names), strict=True)]
        return dict(zip(self.stages, stacked, strict=True))

    def _calculate(self, waiting: list[tuple[bytes, NDArray[Any]]], rows: dict[bytes, Row], store: RowStore) -> None:
        """Calculate images among as many as in every other batch: what comes of one may not depend on the others."""
        images = stack_images([image for _, image in waiting])
        n = len(images)
        images = torch.cat([images, images[-1:].expand(self.batch - n, *images.shape[1:])])
        parts = [part[:n].cpu() for part in self._parts(images.to(self.device))]
        for (name, _), row in zip(waiting, zip(*parts, strict=True), strict=True):
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

    def _read(self, paths: Sequence[Path], store: RowStore) -> Iterator[tuple[bytes, NDArray[Any] | BadImage | None]]:
        """Yield each file's key, and its pixels unless the store has its features."""

        def read(path: Path) -> tuple[bytes, NDArray[Any] | BadImage | None]:
            try:
                content = path.read_bytes()
            except OSError as error:
                return b"", BadImage("unreadable", error.strerror or str(error))
            name = key_of(hashlib.sha256(content).hexdigest())
            if name in store:
                return name, None
            try:
                if self.pixels is not None:
                    return name, self.pixels(path)
                prepared = prepare_image(io.BytesIO(content), self.backbone.preprocess, max_pixels=self.max_pixels)
            except BadImage as error:
                return name, error
            return name, prepared

        pool = ThreadPoolExecutor(max_workers=os.cpu_count(), thread_name_prefix="decode")
        coming = iter(paths)
        pending: deque[Future[tuple[bytes, NDArray[Any] | BadImage | None]]] = deque()
        try:
            while True:
                pending.extend(
                    pool.submit(read, path) for path in islice(coming, _READ_AHEAD * self.batch - len(pending))
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
        )
        return RowStore(space, about=about, limit=self.limit, warn=warn)


def _pooled(maps: Tensor, pool: Pool) -> Tensor:
    """Return `(B, C, H, W)` maps as vectors `(B, C)`, or as they are."""
    if pool == "gap":
        return maps.mean(dim=(2, 3))
    if pool == "max":
        return maps.amax(dim=(2, 3))
    if pool == "gem":
        return maps.clamp(min=_GEM_FLOOR).pow(_GEM).mean(dim=(2, 3)).pow(1 / _GEM)
    return maps
