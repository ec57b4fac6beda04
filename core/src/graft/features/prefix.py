"""Batches of what a network's frozen beginning gives, which is calculated once for each image and view.

A frozen piece's output for an image never changes. So while a network begins with frozen pieces, the batches of an
epoch hold their outputs (`Activations`) in place of images, and images are loaded for what the cache does not have
alone. What is missing is calculated in full batches, in the order in which it is needed: the last bits of an image's
outputs may depend on how many images are calculated with it, so that number must not depend on what is cached.

Of sequences the rows are their frames: as many frames are calculated together as samples are in a batch, however long
the sequences are, and a frame that several of them share is calculated once. Of whole images that are seen through
windows the rows are the windows.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor
from torch.utils.data import Sampler

from graft.data.augmentation import varies
from graft.data.batch import Batch
from graft.data.dataset import ImageDataset
from graft.data.loader import make_loader
from graft.data.sampler import Key, draw_seed
from graft.features.fingerprint import key_of, space_of
from graft.features.store import Row, RowStore
from graft.model import Activations, Model

if TYPE_CHECKING:
    from graft.data.sampler import EpochSampler
    from graft.data.shards import ShardedSampler

_AUTOCAST = {"bf16": torch.bfloat16, "fp16": torch.float16}


def frozen_depth(model: Model) -> int:
    """Return how many pieces `model` begins with that neither learn nor depend on the batch, as it is set now."""
    for depth, piece in enumerate(model.pieces()):
        learns = any(parameter.requires_grad for parameter in piece.parameters())
        if learns or any(module.training for module in piece.modules()):
            return depth
    return model.depth


@dataclass(frozen=True, kw_only=True)
class Prefixing:
    """How the outputs of a frozen beginning are calculated and kept.

    Args:
        model: Its first pieces calculate, on the device that it is on.
        digests: SHA-256 of each image file, by its path.
        views: How many draws of the augmentation an image has while something is frozen, at least 1.
        limit: Largest size of the cache in bytes; 0 keeps nothing, and gives the same.
        precision: `fp32`, `bf16` or `fp16`: as training calculates.
        details: What else changes a bit of the outputs, in plain values.
        warn: Is told what went wrong with the cache.
        name: What the backbone is called, for those who look into the cache.
    """

    model: Model
    digests: Mapping[Path, str]
    views: int
    limit: int
    precision: str
    details: Mapping[str, Any]
    warn: Callable[[str], None]
    name: str = ""


class PrefixLoader:
    """The batches of one split: of images, or of what the network's frozen beginning gives for them.

    Args:
        dataset: The split's images.
        sampler: Gives the keys of an epoch.
        batch: Samples per batch; of whole images in windows, which come one at a time, windows calculated together.
        drop_last: Whether a last batch that is not full is left out.
        workers: Processes that load images.
        pin_memory: Whether images lie in page-locked memory, for a GPU.
        augmentation: What the dataset's augmentation is, in words that differ where it does.
        prefixing: How a frozen beginning is calculated; None always gives images.
    """

    def __init__(
        self,
        dataset: ImageDataset,
        sampler: EpochSampler | ShardedSampler,
        *,
        batch: int,
        drop_last: bool,
        workers: int,
        pin_memory: bool,
        augmentation: str = "",
        prefixing: Prefixing | None = None,
    ) -> None:
        self.dataset = dataset
        self._order = sampler
        self.batch = 1 if dataset.whole else batch
        self.drop_last = drop_last
        self.augmentation = augmentation
        self.prefixing = prefixing
        self.depth = 0
        self._store: RowStore | None = None
        self._wanted = _Wanted()
        in_batch = max(1, min(self.batch, len(sampler)))
        self._images = make_loader(
            dataset, self._wanted, batch=in_batch, workers=workers, drop_last=False, pin_memory=pin_memory
        )
        self._full, self._rows, self._single = in_batch, dataset, self._images
        self._lengths = [len(sample.files) for sample in dataset.samples]
        if dataset.whole:
            self._lengths = [len(dataset.grid(index).corners) for index in range(len(dataset))]
        if dataset.sequences or dataset.whole:
            self._rows = dataset.row_by_row()
            self._full = max(1, min(batch, len(self._rows)))
            self._single = make_loader(
                self._rows, self._wanted, batch=self._full, workers=workers, drop_last=False, pin_memory=pin_memory
            )
        self._first = [0, *accumulate(self._lengths)]

    def __len__(self) -> int:
        n = len(self._order)
        return n // self.batch if self.drop_last else -(-n // self.batch)

    def begin_at(self, depth: int) -> None:
        """Give what the first `depth` pieces give, from the next pass on; 0 gives images.

        While it is not 0, the epochs take turns in the views.
        """
        depth = depth if self.prefixing is not None else 0
        if depth != self.depth:
            self.depth, self._store = depth, None

    def close(self) -> None:
        """End the processes that load images."""
        for loader in {self._images, self._single}:
            running = getattr(loader, "_iterator", None)
            if running is not None:
                # As Lightning does for loaders that it knows: torch itself waits until nobody refers to it.
                running._shutdown_workers()

    def __iter__(self) -> Iterator[Batch]:
        keys = list(self._order)
        if self.drop_last:
            keys = keys[: len(self) * self.batch]
        if not self.depth or self.prefixing is None:
            self._wanted.keys = keys
            yield from self._images
            return
        if self._store is None:
            self._store = self._opened(self.prefixing)
        yield from self._of_rows(keys, self._store, self.prefixing)

    def _of_rows(self, keys: Sequence[Key], store: RowStore, prefixing: Prefixing) -> Iterator[Batch]:
        keys = [(epoch % prefixing.views, index, again) for epoch, index, again in keys]
        names: list[list[bytes]] = []
        # Copies of a file, and an image that is drawn several times, have one name.
        missing: dict[bytes, Key] = {}
        for key in keys:
            names.append([])
            for row_key in self._row_keys(key):
                name = self._name(row_key, prefixing)
                names[-1].append(name)
                if name not in store:
                    missing.setdefault(name, row_key)
        self._wanted.keys = list(missing.values())
        images = iter(self._single) if missing else iter(())
        coming = iter(missing)
        uses = Counter(name for own in names for name in own if name in missing)
        fresh: dict[bytes, Row] = {}
        for start in range(0, len(keys), self.batch):
            wanted = [name for own in names[start : start + self.batch] for name in own]
            while any(name in missing and name not in fresh for name in wanted):
                for row, name in zip(self._calculated(next(images).images, prefixing), coming, strict=False):
                    fresh[name] = row
                    store.put(name, row)
            rows = [fresh[name] if name in missing else store[name] for name in wanted]
            uses.subtract(name for name in wanted if name in missing)
            for name in {name for name in wanted if name in missing and not uses[name]}:
                del fresh[name]
            if start + self.batch >= len(keys):
                store.flush()  # nobody may come back after the last batch
            yield self._assembled(keys[start : start + self.batch], rows)

    def _calculated(self, images: Any, prefixing: Prefixing) -> list[Row]:
        """Return the rows of loaded images, calculated among as many as in every other batch."""
        model = prefixing.model
        device = model.mean.device
        n = len(images)
        if n < self._full:
            images = torch.cat([images, images[-1:].expand(self._full - n, *images.shape[1:])])
        kind = _AUTOCAST.get(prefixing.precision)
        with torch.no_grad(), torch.autocast(device.type, kind, enabled=kind is not None):
            parts = model.prefix(images.to(device, non_blocking=True), self.depth)
        on_cpu: list[Tensor] = [part[:n].cpu() for part in parts]
        return list(zip(*on_cpu, strict=True))

    def _assembled(self, keys: Sequence[Key], rows: Sequence[Row]) -> Batch:
        parts = tuple(torch.stack(part) for part in zip(*rows, strict=True))
        dataset = self.dataset
        indices = [index for _, index, _ in keys]
        grid = dataset.grid(indices[0]) if dataset.whole else None
        images = Activations(
            parts,
            start=self.depth,
            image_size=dataset.store.preprocess.size if grid is None else grid.size,
            lengths=tuple(self._lengths[index] for index in indices) if dataset.sequences else None,
            grid=grid,
        )
        return dataset.assembled(keys, images)

    def _row_keys(self, key: Key) -> list[Key]:
        """Return the keys of a sample's rows, into the data set of single images."""
        view, index, again = key
        return [(view, row, again) for row in range(self._first[index], self._first[index + 1])]

    def _name(self, key: Key, prefixing: Prefixing) -> bytes:
        view, row, again = key
        sample, augmentation = self._rows.samples[row], self._rows.augmentation
        words = self.augmentation
        region = self._rows.region(key)
        if region is not None:
            words = f"{words} {'+'.join(map(str, region))}"
        if augmentation is not None and varies(augmentation):
            words = f"{words} {draw_seed(self.dataset.seed, view, sample.id, again)}"
        return key_of(prefixing.digests[sample.path], words)

    def _opened(self, prefixing: Prefixing) -> RowStore:
        model = prefixing.model
        stages = [stage.name for stage in model.backbone.info.stages]
        space, about = space_of(
            *model.pieces()[: self.depth],
            gives="embedding" if self.depth > len(stages) else f"{model.needs} up to {stages[self.depth - 1]}",
            preprocess=model.backbone.preprocess,
            device=model.mean.device.type,
            precision=prefixing.precision,
            among=self._full,
            decoder=self.dataset.store.decoder.identity,
            **prefixing.details,
        )
        about = {"backbone": prefixing.name, **about}
        return RowStore(space, about=about, limit=prefixing.limit, warn=prefixing.warn)


class _Wanted(Sampler[Key]):
    """The keys of the images that a pass needs."""

    def __init__(self) -> None:
        self.keys: list[Key] = []

    def __len__(self) -> int:
        return len(self.keys)

    def __iter__(self) -> Iterator[Key]:
        return iter(self.keys)
