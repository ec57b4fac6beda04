"""Metrics of classification, equal to scikit-learn's, fast enough to be resampled a thousand times. numpy alone.

What is not there: precision, recall and F1 of a class that is neither true nor predicted anywhere are NaN and left out
of the macro mean; where only one side is missing they are 0. This is scikit-learn's default with `zero_division=0`. To
count absent classes as 0 would push every resample of a small test set below the value itself. Balanced accuracy is
over the classes that are true somewhere. AUROC and average precision are NaN where a class is absent, or where there is
nothing else, and so is their macro mean.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from graft.evaluation import Metric
from graft_classification.options import TaskOptions
from graft_classification.scores import Scores, decide, members, stack, truth

Floats = NDArray[np.float64]


class Counts(NamedTuple):
    """How often each class was, was predicted, and was both; `(C,)` each."""

    true: NDArray[np.int64]
    predicted: NDArray[np.int64]
    both: NDArray[np.int64]


class DecisionMetric(Metric):
    """A metric of decisions. A row is (true, predicted): indices `(N, 2)`, for multi-label masks `(N, 2, C)`."""

    def __init__(self, *, classes: Sequence[str], options: TaskOptions) -> None:
        super().__init__(classes=classes, options=options)
        self.options = options

    def rows(self, predictions: Sequence[Scores], targets: Sequence[Any]) -> NDArray[Any]:
        """Return what is true and what was decided."""
        n = len(self.classes)
        return np.stack([truth(targets, n, self.options), decide(stack(predictions, n), self.options)], axis=1)

    def counts(self, rows: NDArray[Any]) -> Counts:
        """Return the counts per class."""
        true, predicted = rows[:, 0], rows[:, 1]
        if self.options.multi:
            return Counts(true.sum(axis=0), predicted.sum(axis=0), (true & predicted).sum(axis=0))
        n = len(self.classes)
        both = np.bincount(true[true == predicted], minlength=n)
        return Counts(np.bincount(true, minlength=n), np.bincount(predicted, minlength=n), both)


class Accuracy(DecisionMetric):
    """`accuracy`: the share of images whose prediction is right; for multi-label, with every label right."""

    def compute(self, rows: NDArray[Any]) -> dict[str, float]:
        """Return the accuracy."""
        right = rows[:, 0] == rows[:, 1]
        if self.options.multi:
            right = right.all(axis=1)
        return {"accuracy": float(right.mean()) if len(right) else np.nan}


class BalancedAccuracy(DecisionMetric):
    """`balanced_accuracy`: the mean recall of the classes that there are.

    For multi-label, each class is a question of yes and no; the value is the mean over classes of the mean of the
    recalls of yes and no.
    """

    def compute(self, rows: NDArray[Any]) -> dict[str, float]:
        """Return the balanced accuracy."""
        true, predicted, both = self.counts(rows)
        recalls = _ratio(both, true, empty=np.nan)
        if self.options.multi:
            neither = len(rows) - true - predicted + both
            specificities = _ratio(neither, len(rows) - true, empty=np.nan)
            recalls = _mean_of_defined(np.stack([recalls, specificities]))
        return {"balanced_accuracy": float(_mean_of_defined(recalls))}


class PerClassMetric(Metric):
    """A metric with a value per class, `<name>.<class>`, and their mean, `<name>`."""

    name: str

    def compute(self, rows: NDArray[Any]) -> dict[str, float]:
        """Return the macro mean and the value of each class."""
        values = self.per_class(rows)
        names = [f"{self.name}.{label}" for label in self.classes]
        return {self.name: self.macro(values), **dict(zip(names, values.tolist(), strict=True))}

    @abstractmethod
    def macro(self, values: Floats) -> float:
        """Return the mean of the classes' values `(C,)`."""

    @abstractmethod
    def per_class(self, rows: NDArray[Any]) -> Floats:
        """Return the value of each class, `(C,)`."""


class CountingMetric(DecisionMetric, PerClassMetric):
    """A metric with a value per class that its counts alone determine."""

    def macro(self, values: Floats) -> float:
        """Return the mean over the classes that occur."""
        return float(_mean_of_defined(values))

    def per_class(self, rows: NDArray[Any]) -> Floats:
        """Return the value of each class that is true or predicted somewhere; NaN for the others."""
        counts = self.counts(rows)
        values = self.value(counts)
        values[counts.true + counts.predicted == 0] = np.nan
        return values

    @abstractmethod
    def value(self, counts: Counts) -> Floats:
        """Return the value of each class, `(C,)`; 0 where it would divide by zero."""


class Precision(CountingMetric):
    """`precision`: the share of a class's predictions that are right."""

    name = "precision"

    def value(self, counts: Counts) -> Floats:
        """Return both / predicted."""
        return _ratio(counts.both, counts.predicted)


class Recall(CountingMetric):
    """`recall`: the share of a class's images that are found."""

    name = "recall"

    def value(self, counts: Counts) -> Floats:
        """Return both / true."""
        return _ratio(counts.both, counts.true)


class F1(CountingMetric):
    """`f1`: the harmonic mean of precision and recall."""

    name = "f1"

    def value(self, counts: Counts) -> Floats:
        """Return 2 · both / (true + predicted)."""
        return _ratio(2 * counts.both, counts.true + counts.predicted)


class RankingMetric(PerClassMetric):
    """A metric of the order of scores, each class against the rest.

    A row has for each class `2 · rank + positive`, `(N, C)`, where equal scores have equal ranks: counting then takes
    the place of sorting in every resample.
    """

    def __init__(self, *, classes: Sequence[str], options: TaskOptions) -> None:
        super().__init__(classes=classes, options=options)
        self.options = options

    def rows(self, predictions: Sequence[Scores], targets: Sequence[Any]) -> NDArray[Any]:
        """Return rank and truth of each image for each class."""
        n = len(self.classes)
        scores = stack(predictions, n)
        positive = members(truth(targets, n, self.options), n)
        ranks = np.empty(scores.shape, dtype=np.int64)
        for column in range(n):
            ranks[:, column] = np.unique(scores[:, column], return_inverse=True)[1]
        return 2 * ranks + positive

    def macro(self, values: Floats) -> float:
        """Return the mean over classes, NaN when one is; of two exclusive classes the second one's value."""
        if len(values) == 2 and not self.options.multi:
            return float(values[1])
        return float(values.mean())

    def counts(self, rows: NDArray[Any]) -> tuple[Floats, Floats]:
        """Return how many negatives and how many positives have each rank, `(C, R)` each, in rising rank."""
        n = len(self.classes)
        ranks = int(rows.max(initial=0)) // 2 + 1
        cells = rows + np.arange(n) * (2 * ranks)
        counted = np.bincount(cells.ravel(), minlength=n * 2 * ranks).reshape(n, ranks, 2).astype(np.float64)
        return counted[..., 0], counted[..., 1]


class Auroc(RankingMetric):
    """`auroc`: the chance that an image of the class scores higher than one that is not; ties count one half."""

    name = "auroc"

    def per_class(self, rows: NDArray[Any]) -> Floats:
        """Return the share of ordered pairs."""
        negatives, positives = self.counts(rows)
        below = negatives.cumsum(axis=1) - negatives / 2
        pairs = negatives.sum(axis=1) * positives.sum(axis=1)
        return _ratio((positives * below).sum(axis=1), pairs, empty=np.nan)


class AveragePrecision(RankingMetric):
    """`average_precision`: the mean precision over the images of the class, each at its own score as the threshold."""

    name = "average_precision"

    def per_class(self, rows: NDArray[Any]) -> Floats:
        """Return the area under the precision-recall steps."""
        negatives, positives = (counted[:, ::-1] for counted in self.counts(rows))
        found = positives.cumsum(axis=1)
        precision = _ratio(found, found + negatives.cumsum(axis=1))
        return _ratio((positives * precision).sum(axis=1), positives.sum(axis=1), empty=np.nan)


def confusion_matrix(true: NDArray[np.int64], predicted: NDArray[np.int64], n_classes: int) -> NDArray[np.int64]:
    """Return how often each class (row) was predicted as each class (column), `(C, C)`."""
    return np.bincount(true * n_classes + predicted, minlength=n_classes**2).reshape(n_classes, n_classes)


def _ratio(part: NDArray[Any], whole: NDArray[Any], *, empty: float = 0.0) -> Floats:
    """`part / whole`, and `empty` where `whole` is 0."""
    return np.divide(part, whole, out=np.full(np.shape(whole), empty), where=whole > 0)  # type: ignore[no-any-return]


def _mean_of_defined(values: Floats) -> Floats:
    """The mean over the first axis of what is not NaN; NaN where nothing is."""
    return _ratio(np.nansum(values, axis=0), (~np.isnan(values)).sum(axis=0), empty=np.nan)
