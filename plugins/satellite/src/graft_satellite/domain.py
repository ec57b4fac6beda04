"""The domain itself: footprints on both sides of a split, and areas on the ground in the report."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from graft.data import BadImage, Catalogue, Sample
from graft.domains import Domain
from graft.errors import Problem
from graft.report.sections import Section, Table
from graft_satellite.decoder import SatelliteDecoder
from graft_satellite.footprints import footprint, pixel_area

if TYPE_CHECKING:
    from graft.tasks import Prediction, Task

_OVERLAP = 1e-3
"""Share of the smaller footprint from which on two images show the same ground; edges that touch do not."""
_HECTARE = 10_000.0
_VOID = 255


class Satellite(Domain):
    """Images of the earth."""

    def leaks(self, catalogue: Catalogue, split: Mapping[str, Sequence[int]]) -> list[Problem]:
        """Return each pair of images in different splits whose footprints overlap, in whatever coordinates they are."""
        import shapely

        if not isinstance(self.decoder, SatelliteDecoder):
            return []
        placed: list[tuple[Sample, str]] = []
        shapes: list[Any] = []
        for name, indices in split.items():
            for sample in (catalogue.samples[index] for index in indices):
                try:
                    shape = footprint(self.decoder, sample.path)
                except BadImage:
                    continue
                if shape is not None:
                    placed.append((sample, name))
                    shapes.append(shape)
        if not placed:
            return []
        problems = []
        for first, second in sorted(zip(*shapely.STRtree(shapes).query(shapes).tolist(), strict=True)):
            (sample, name), (other, elsewhere) = placed[first], placed[second]
            if first >= second or name == elsewhere:
                continue
            smaller = min(shapes[first].area, shapes[second].area)
            share = shapes[first].intersection(shapes[second]).area / smaller if smaller else 0
            if share > _OVERLAP:
                what = f"in {name}, shows the ground of {other.id} in {elsewhere} ({share:.0%} of the smaller one)"
                problems.append(Problem(sample.id, what))
        return problems

    def sections(
        self, task: Task, samples: Sequence[Sample], predictions: Sequence[Prediction], targets: Sequence[Any]
    ) -> list[Section]:
        """Return the area of each class on the ground, predicted and true, where predictions are masks."""
        if not isinstance(self.decoder, SatelliteDecoder) or not all(hasattr(one, "mask") for one in predictions):
            return []
        areas = np.zeros((2, len(task.classes)))
        placed = 0
        for sample, prediction, target in zip(samples, predictions, targets, strict=True):
            area = pixel_area(self.decoder, sample.path)
            true = target.mask
            if area is None or true.ndim != 2:
                continue
            placed += 1
            for row, mask in enumerate((prediction.mask, true)):
                counts = np.bincount(mask[true != _VOID].ravel(), minlength=len(task.classes))
                areas[row] += counts[: len(task.classes)] * area
        if not placed:
            return []
        rows = [
            (name, found / _HECTARE, true / _HECTARE, found / true - 1 if true else None)
            for name, found, true in zip(task.classes, *areas.tolist(), strict=True)
        ]
        return [
            Section(
                title="Area on the ground",
                how_to_read=f"Hectares in the {placed} images that say where they lie, without void pixels. Errors in "
                "place cancel out here, and those in amount do not.",
                parts=[Table(columns=("class", "predicted ha", "true ha", "difference, of the true"), rows=rows)],
            )
        ]
