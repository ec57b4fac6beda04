"""The task: labels as numbers, what makes data unfit, and how predictions are shown."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from graft.data.samples import Catalogue, Sample
from graft.errors import DataError, Problem, did_you_mean
from graft.report.sections import Section
from graft.tasks import Task
from graft_classification import checks, sections
from graft_classification.options import TaskOptions
from graft_classification.scores import Scores, decide, members, stack, truth

_SMALLEST = 1e-12  # a score of 0 for what is true is a large error, not an infinite one
_DIGITS = 6


class ClassificationTask(Task):
    """Says what an image shows, out of a fixed list of classes.

    Encoded targets are class indices, or for multi-label float32 vectors `(C,)` of zeros and ones. Predictions are
    `Scores`.
    """

    options: TaskOptions

    def __init__(self, *, classes: Sequence[str], options: TaskOptions) -> None:
        super().__init__(classes=classes, options=options)
        scores = tuple(f"score.{name}" for name in self.classes)
        self.prediction_columns = ("label", *(() if options.multi else ("score",)), *scores)
        self._index = {name: index for index, name in enumerate(self.classes)}

    def check(self, catalogue: Catalogue, split: Mapping[str, Sequence[int]]) -> list[Problem]:
        """Return images with a wrong number of labels, classes without images, and classes that cannot be learnt."""
        return checks.check(catalogue, split, multi=self.options.multi)

    def encode(self, sample: Sample) -> Any:
        """Return the class index, or for multi-label the vector `(C,)`.

        Raises:
            DataError: When a label is none of the classes, or their number does not fit.
        """
        unknown = [name for name in sample.target if name not in self._index]
        if unknown:
            raise DataError(
                f"{checks.place(sample)}: class '{unknown[0]}' is none of the model's classes",
                fix=did_you_mean(unknown[0], self.classes) or f"the classes are: {', '.join(self.classes)}",
            )
        if self.options.multi:
            target = np.zeros(len(self.classes), dtype=np.float32)
            target[[self._index[name] for name in sample.target]] = 1
            return target
        if len(sample.target) != 1:
            raise DataError(str(checks.wrong_number(sample)), fix=checks.MULTI)
        return np.int64(self._index[sample.target[0]])

    def collate(self, targets: Sequence[Any]) -> Tensor:
        """Return indices `(B,)` int64, or for multi-label `(B, C)` float32."""
        return torch.from_numpy(np.stack(targets))

    def strata(self, catalogue: Catalogue) -> Sequence[str]:
        """Return each sample's class; of several labels the rarest, which is the one that a split can lose."""
        counts = Counter(name for sample in catalogue.samples for name in sample.target)
        return [min(sample.target, key=lambda name: (counts[name], name), default="") for sample in catalogue.samples]

    def shows(self, catalogue: Catalogue) -> Sequence[Collection[str]]:
        """Return each sample's classes."""
        return [sample.target for sample in catalogue.samples]

    def as_row(self, prediction: Scores) -> dict[str, Any]:
        """Return `label`, its `score`, and `score.<class>` for every class.

        Multi-label: `label` has the names with `;` between them, as the csv reader takes them, and `labels` has them as
        a list; there is no one `score`.
        """
        named = {
            f"score.{name}": round(float(score), _DIGITS)
            for name, score in zip(self.classes, prediction.scores, strict=True)
        }
        names = self._names(prediction)
        if self.options.multi:
            return {"label": ";".join(names), "labels": names, **named}
        return {"label": names[0], "score": named[f"score.{names[0]}"], **named}

    def errors(self, predictions: Sequence[Scores], targets: Sequence[Any]) -> NDArray[np.float64]:
        """Return each image's log loss, `(N,)`; for multi-label the mean over the classes."""
        scores = stack(predictions, len(self.classes)).astype(np.float64)
        true = members(truth(targets, len(self.classes), self.options), len(self.classes))
        if self.options.multi:
            loss = -np.log(np.maximum(np.where(true, scores, 1 - scores), _SMALLEST))
            return loss.mean(axis=1)  # type: ignore[no-any-return]
        return -np.log(np.maximum(scores[true], _SMALLEST))

    def caption(self, prediction: Scores, target: Any) -> str:
        """Return as in `cat 0.93 · true: dog`."""
        given = ", ".join(f"{name} {prediction.scores[self._index[name]]:.2f}" for name in self._names(prediction))
        true = truth([target], len(self.classes), self.options)
        names = [name for name, shown in zip(self.classes, members(true, len(self.classes))[0], strict=True) if shown]
        return f"{given or 'none'} · true: {', '.join(names) or 'none'}"

    def baseline(self, targets: Sequence[Any], train_targets: Sequence[Any]) -> list[Scores]:
        """Return the classes' shares of the training images for every image: the most frequent class wins."""
        true = members(truth(train_targets, len(self.classes), self.options), len(self.classes))
        return [Scores(true.mean(axis=0).astype(np.float32))] * len(targets)

    def sections(self, predictions: Sequence[Scores], targets: Sequence[Any]) -> list[Section]:
        """Return confusions, values per class and calibration."""
        return sections.sections(predictions, targets, classes=self.classes, options=self.options)

    def _names(self, prediction: Scores) -> list[str]:
        decided = members(decide(prediction.scores[None], self.options), len(self.classes))[0]
        return [name for name, given in zip(self.classes, decided, strict=True) if given]
