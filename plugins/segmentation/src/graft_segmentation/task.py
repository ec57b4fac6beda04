"""The task: masks as targets, what makes them unfit, and how predictions are shown and written."""

from __future__ import annotations

import os
from collections.abc import Collection, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from graft.data.decode import BadImage
from graft.data.samples import Catalogue, Sample
from graft.errors import Problem
from graft.report.sections import Section
from graft.tasks import Task
from graft_segmentation import overlays, sections
from graft_segmentation.confusion import confusion, intersection_over_union
from graft_segmentation.masks import BadMask, MaskSource
from graft_segmentation.options import TaskOptions
from graft_segmentation.target import MaskTarget, Segmented, class_counts

_DIGITS = 6


class SegmentationTask(Task):
    """Says of every pixel what it shows, out of a fixed list of classes.

    Encoded targets are `MaskTarget`s, batches `(B, H, W)` uint8 of class numbers, or for multi-label `(B, H, W, C)` of
    0 and 1, with 255 for what counts nowhere. Predictions are `Segmented`.
    """

    options: TaskOptions

    def __init__(self, *, classes: Sequence[str], options: TaskOptions) -> None:
        super().__init__(classes=classes, options=options)
        self.prediction_columns = ("largest", "confidence", *(f"share.{name}" for name in self.classes))
        self.index = {name: number for number, name in enumerate(self.classes)}
        self._read: dict[str, NDArray[np.int64] | Problem] = {}

    def check(self, catalogue: Catalogue, split: Mapping[str, Sequence[int]]) -> list[Problem]:
        """Return masks that cannot be used, each with its file, and classes that no training mask shows."""
        self._read_all(catalogue)
        used = sorted(index for indices in split.values() for index in indices)
        found = {index: self._read[catalogue.samples[index].id] for index in used}
        problems = [entry for entry in found.values() if isinstance(entry, Problem)]
        if problems:
            return problems
        shown = sum(
            (entry for index in split["train"] if not isinstance(entry := found[index], Problem)),
            np.zeros(len(self.classes), np.int64),
        )
        return [
            Problem(f"class {name}", "no training mask shows it", "leave it out of the classes, or bring one")
            for name, count in zip(self.classes, shown, strict=True)
            if not count and not (name == "background" and self.options.multi)
        ]

    def encode(self, sample: Sample) -> MaskTarget:
        """Return the target; the mask itself is read when it is needed."""
        counts = self._read.get(sample.id)
        return MaskTarget(
            sample.target, self.index, self.options.multi, counts=None if isinstance(counts, Problem) else counts
        )

    def collate(self, targets: Sequence[MaskTarget]) -> Tensor:
        """Return masks as a batch."""
        return torch.from_numpy(np.stack([target.mask for target in targets]))

    def strata(self, catalogue: Catalogue) -> Sequence[str]:
        """Return the class of each image that is rarest, in images, of those that it shows."""
        shown = self._shown(catalogue)
        images = shown.sum(axis=0)
        rarest = [min(np.flatnonzero(own), key=lambda number: (images[number], number), default=None) for own in shown]
        return ["" if number is None else self.classes[number] for number in rarest]

    def shows(self, catalogue: Catalogue) -> Sequence[Collection[str]]:
        """Return the classes that each image's mask has."""
        return [[self.classes[number] for number in np.flatnonzero(own)] for own in self._shown(catalogue)]

    def _shown(self, catalogue: Catalogue) -> NDArray[np.bool_]:
        """Return whether each image shows each class, `(N, C)`."""
        self._read_all(catalogue)
        found = [self._read[sample.id] for sample in catalogue.samples]
        return np.array([np.zeros(len(self.classes), bool) if isinstance(own, Problem) else own > 0 for own in found])

    def as_row(self, prediction: Segmented) -> dict[str, Any]:
        """Return the class with most pixels, the mean score of what was decided, and each class's share of pixels."""
        counts = class_counts(prediction.mask, len(self.classes))
        shares = counts / max(1, prediction.mask.shape[0] * prediction.mask.shape[1])
        return {
            "largest": self.classes[int(counts.argmax())] if counts.any() else "",
            "confidence": round(prediction.confidence, _DIGITS),
            **{f"share.{name}": round(float(share), _DIGITS) for name, share in zip(self.classes, shares, strict=True)},
        }

    def errors(self, predictions: Sequence[Segmented], targets: Sequence[MaskTarget]) -> NDArray[np.float64]:
        """Return 1 - the mean intersection over union of the classes in each image, `(N,)`."""
        both = zip(predictions, targets, strict=True)
        overlaps = [intersection_over_union(confusion(p.mask, t.mask, len(self.classes))) for p, t in both]
        return np.array([1 - np.nanmean(own) if not np.isnan(own).all() else 0.0 for own in overlaps])

    def caption(self, prediction: Segmented, target: MaskTarget) -> str:
        """Return as in `mean IoU 0.71 · worst: pole 0.02`."""
        overlap = intersection_over_union(confusion(prediction.mask, target.mask, len(self.classes)))
        if np.isnan(overlap).all():
            return "nothing to find, and nothing found"
        worst = int(np.nanargmin(overlap))
        return f"mean IoU {np.nanmean(overlap):.2f} · worst: {self.classes[worst]} {overlap[worst]:.2f}"

    def draw(
        self, picture: NDArray[np.uint8], prediction: Segmented | None, target: MaskTarget
    ) -> NDArray[np.uint8] | None:
        """Return the image with what is true, and beside it with what is predicted."""
        return overlays.draw(picture, None if prediction is None else prediction.mask, target.mask, len(self.classes))

    def write(self, prediction: Segmented, kind: str, path: Path) -> None:
        """Write a PNG: class numbers with a palette, or for multi-label a folder of one mask per class, 0 and 255."""
        if kind != "png":
            super().write(prediction, kind, path)
        if not self.options.multi:
            overlays.paletted(prediction.mask, len(self.classes)).save(path)
            return
        folder = path.with_suffix("")
        folder.mkdir(exist_ok=True)
        names = [name.replace("/", "_") for name in self.classes]
        for number, name in enumerate(names):
            own = name if names.count(name) == 1 else f"{name}_{number}"
            Image.fromarray(prediction.mask[..., number] * np.uint8(255)).save(folder / f"{own}.png")

    def baseline(self, targets: Sequence[MaskTarget], train_targets: Sequence[MaskTarget]) -> list[Segmented]:
        """Return the class with most training pixels everywhere; for multi-label those of more than half of them."""
        counts = sum(counted(target, len(self.classes)) for target in train_targets)
        if not self.options.multi:
            most = np.argmax(counts)
            return [Segmented(np.full(target.size, most, np.uint8)) for target in targets]
        pixels = sum(target.size[0] * target.size[1] for target in train_targets)
        usual = (np.asarray(counts) > pixels / 2).astype(np.uint8)
        return [Segmented(np.broadcast_to(usual, (*target.size, len(usual))).copy()) for target in targets]

    def sections(self, predictions: Sequence[Segmented], targets: Sequence[MaskTarget]) -> list[Section]:
        """Return overlaps per class, and what is taken for what."""
        return sections.sections(predictions, targets, classes=self.classes, options=self.options)

    def _read_all(self, catalogue: Catalogue) -> None:
        """Read every mask once, and count its pixels or say what is wrong with it."""
        new = [sample for sample in catalogue.samples if sample.id not in self._read]
        with ThreadPoolExecutor(max_workers=os.cpu_count()) as pool:
            for sample, found in zip(new, pool.map(self._counted, new), strict=True):
                self._read[sample.id] = found

    def _counted(self, sample: Sample) -> NDArray[np.int64] | Problem:
        source: MaskSource = sample.target
        where = f"{sample.where}: {sample.id}" if sample.where else sample.id
        try:
            mask = source.read(self.index, multi=self.options.multi)
            size = source.size()
        except (BadMask, BadImage) as error:
            return Problem(where, str(error))
        if mask.shape[:2] != size:
            have, wanted = f"{mask.shape[1]} × {mask.shape[0]}", f"{size[1]} × {size[0]}"
            return Problem(where, f"its mask {getattr(source, 'path', '')} is {have} pixels large, the image {wanted}")
        return class_counts(mask, len(self.classes))


def counted(target: MaskTarget, classes: int) -> NDArray[np.int64]:
    """Return the pixels of each class in a target, `(C,)`."""
    return class_counts(target.mask, classes) if target.counts is None else target.counts
