"""From matches to recall and precision, over any resample of the images. numpy alone."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from graft_detection.evaluation.matching import MOST, THRESHOLDS, Matches

RECALLS = np.linspace(0, 1, 101)
"""The recalls at which COCO reads the precision."""

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Ordered:
    """The detections of one class and one band that count at some threshold, the surest first.

    Args:
        image: `(n,)`.
        right: `(T, n)`: whether it finds an object.
        wrong: `(T, n)`: whether it finds none; neither, where it does not count.
        true: `(N,)` the images of the objects that count, one entry for each.
    """

    image: Ints
    right: NDArray[np.bool_]
    wrong: NDArray[np.bool_]
    true: Ints

    def hits(self, weights: Ints) -> tuple[Floats, Floats]:
        """Return how many finds and how many false ones there are down to each detection, `(T, n)` each."""
        own = weights[self.image]
        right, wrong = (np.cumsum(flags * own, axis=1, dtype=np.float64) for flags in (self.right, self.wrong))
        return right, wrong

    def positives(self, weights: Ints) -> int:
        """Return how many objects count."""
        return int(weights[self.true].sum())

    def precision(self, weights: Ints) -> Floats | None:
        """Return the precision at each of `RECALLS`, `(T, R)`: the best at that recall or more; None without objects.

        Args:
            weights: How often each image counts.
        """
        positives = self.positives(weights)
        if not positives:
            return None
        read = np.zeros((len(THRESHOLDS), len(RECALLS)))
        if not len(self.image):
            return read
        right, wrong = self.hits(weights)
        recall = right / positives
        precision = right / (right + wrong + np.spacing(1))
        best = np.maximum.accumulate(precision[:, ::-1], axis=1)[:, ::-1]
        for row, (of, values) in enumerate(zip(recall, best, strict=True)):
            # Recalls rise: what is reached is a beginning of the list.
            reached = int(np.searchsorted(RECALLS, of[-1], "right"))
            read[row, :reached] = values[np.searchsorted(of, RECALLS[:reached], "left")]
        return read

    def recall(self, weights: Ints) -> Floats | None:
        """Return the share of objects that is found, `(T,)`; None without objects."""
        positives = self.positives(weights)
        if not positives:
            return None
        own = weights[self.image]
        found: Floats = (self.right * own).sum(axis=1) / positives
        return found


@dataclass(frozen=True, eq=False)
class Curves:
    """Everything that a reduction needs, sorted once: a resample is a weight for each image."""

    matches: Matches
    classes: int

    @cached_property
    def ordered(self) -> dict[tuple[str, int], Ordered]:
        """The detections of each band and class, with at most `MOST` per class and image."""
        bands = self.matches.bands
        return {(band, label): self.select(band, label, MOST) for band in bands for label in range(self.classes)}

    @cached_property
    def few(self) -> dict[tuple[int, int], Ordered]:
        """The 1 and the 10 surest detections per class and image, by this number and class, for average recall."""
        return {
            (most, label): self.select(self.matches.bands[0], label, most)
            for most in (1, 10)
            for label in range(self.classes)
        }

    @cached_property
    def _sorted(self) -> tuple[Ints, Ints]:
        """The detections by class, the surest first, and where each class begins."""
        # As pycocotools: in the order of the images where scores are equal.
        matches = self.matches
        order = np.lexsort((-matches.score, matches.label))
        return order, np.searchsorted(matches.label[order], np.arange(self.classes + 1))

    def select(self, band: str, label: int, most: int) -> Ordered:
        """Return the detections of one band and class, at most so many in each image."""
        matches, index = self.matches, self.matches.bands.index(band)
        every, begins = self._sorted
        order = every[begins[label] : begins[label + 1]]
        order = order[matches.rank[order] < most]
        order = order[~matches.void[order, index].all(axis=1)]
        counts = ~matches.void[order, index].T
        found = matches.found[order, index].T
        true = (matches.true_label == label) & ~matches.true_void[:, index]
        return Ordered(matches.image[order], found & counts, ~found & counts, matches.true_image[true])
