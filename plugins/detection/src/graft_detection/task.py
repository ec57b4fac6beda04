"""The task: boxes as numbers, what makes data unfit, and how predictions are shown and written."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from graft.data.samples import Catalogue, Sample
from graft.errors import DataError, Problem, did_you_mean
from graft.report.sections import Section
from graft.tasks import Task
from graft_detection import checks, sections
from graft_detection.detections import Detections, Truth
from graft_detection.drawing import draw
from graft_detection.evaluation.kinds import kinds
from graft_detection.objects import Objects
from graft_detection.options import TaskOptions
from graft_detection.writers.yolo import lines

_DIGITS = 2


class DetectionTask(Task):
    """Says what is where in an image, out of a fixed list of classes.

    Encoded targets are `Truth`, predictions `Detections`; both in the pixels of their files.
    """

    options: TaskOptions

    def __init__(self, *, classes: Sequence[str], options: TaskOptions) -> None:
        super().__init__(classes=classes, options=options)
        self.prediction_columns = ("objects", "labels", *(f"count.{name}" for name in self.classes))
        self._index = {name: index for index, name in enumerate(self.classes)}

    def check(self, catalogue: Catalogue, split: Mapping[str, Sequence[int]]) -> list[Problem]:
        """Return classes that would be measured and not trained on, and a data set without objects."""
        return checks.check(catalogue, split, unseen=self.options.unseen == "allow")

    def encode(self, sample: Sample) -> Truth:
        """Return the objects as numbers.

        Raises:
            DataError: When a label is none of the classes, or the image's size is not known.
        """
        objects: Objects = sample.target
        unknown = [name for name in objects.labels if name not in self._index]
        if unknown:
            raise DataError(
                f"{sample.where or sample.id}: class '{unknown[0]}' is none of the model's classes",
                fix=did_you_mean(unknown[0], self.classes) or f"the classes are: {', '.join(self.classes)}",
            )
        if objects.size is None:
            raise DataError(f"{sample.where or sample.id}: {sample.path} cannot be read", fix="bring the file back")
        return Truth(
            boxes=objects.boxes,
            labels=np.array([self._index[name] for name in objects.labels], np.int64),
            crowd=objects.crowd,
            difficult=objects.difficult,
            areas=objects.areas,
            size=objects.size,
        )

    def collate(self, targets: Sequence[Truth]) -> list[dict[str, torch.Tensor]]:
        """Return `boxes` `(N, 4)` and `labels` `(N,)` of each image; crowds are no targets."""
        return [
            {
                "boxes": torch.from_numpy(target.boxes[~target.crowd].astype(np.float32)),
                "labels": torch.from_numpy(target.labels[~target.crowd]),
            }
            for target in targets
        ]

    def strata(self, catalogue: Catalogue) -> Sequence[str]:
        """Return the rarest class in each image, which is the one that a split can lose; nothing without objects."""
        shown = [_names(sample) for sample in catalogue.samples]
        counts = Counter(name for names in shown for name in names)
        return [min(names, key=lambda name: (counts[name], name), default="") for names in shown]

    def shows(self, catalogue: Catalogue) -> Sequence[Collection[str]]:
        """Return the classes of each image's objects, crowds left out."""
        return [set(_names(sample)) for sample in catalogue.samples]

    def as_row(self, prediction: Detections) -> dict[str, Any]:
        """Return how many objects are surely there, which, and, as a list, every detection with its score and box."""
        sure = prediction.from_score(self.options.threshold)
        names = [self.classes[label] for label in sure.labels]
        counts = Counter(names)
        detections = [
            {"label": self.classes[label], "score": round(float(score), 4), "box": np.round(box, _DIGITS).tolist()}
            for box, label, score in zip(
                prediction.boxes.astype(np.float64), prediction.labels, prediction.scores, strict=True
            )
        ]
        return {
            "objects": len(names),
            "labels": ";".join(names),
            **{f"count.{name}": counts[name] for name in self.classes},
            "detections": detections,
        }

    def errors(self, predictions: Sequence[Detections], targets: Sequence[Truth]) -> NDArray[np.float64]:
        """Return the number of mistakes among the sure detections of each image, `(N,)`."""
        counted = kinds(predictions, targets, n_classes=len(self.classes), threshold=self.options.threshold)
        return counted.per_image().astype(np.float64)

    def caption(self, prediction: Detections, target: Truth) -> str:
        """Return as in `found 2 of 3, 1 false · true: 2 cat, 1 dog`."""
        counted = kinds([prediction], [target], n_classes=len(self.classes), threshold=self.options.threshold)
        right, *wrong, missed = counted.counts.sum(axis=(0, 1)).tolist()
        counts = Counter(self.classes[label] for label in target.labels[~(target.crowd | target.difficult)])
        true = ", ".join(f"{count} {name}" for name, count in counts.items())
        return f"found {right} of {right + missed}, {sum(wrong)} false · true: {true or 'none'}"

    def draw(
        self, picture: NDArray[np.uint8], prediction: Detections | None, target: Truth | None
    ) -> NDArray[np.uint8]:
        """Return the image with what is true in white and the sure detections in colours."""
        sure = None if prediction is None else prediction.from_score(self.options.threshold)
        return draw(picture, sure, target, classes=self.classes)

    def write(self, prediction: Detections, kind: str, path: Path) -> None:
        """Write the sure detections as YOLO's lines (`txt`)."""
        if kind != "txt":
            super().write(prediction, kind, path)
        sure = prediction.from_score(self.options.threshold)
        path.write_text("".join(lines(sure.labels.tolist(), sure.boxes, prediction.size)), encoding="utf-8")

    def baseline(self, targets: Sequence[Truth], train_targets: Sequence[Truth]) -> list[Detections]:
        """Return that nothing is found."""
        return [Detections.none(target.size) for target in targets]

    def sections(self, predictions: Sequence[Detections], targets: Sequence[Truth]) -> list[Section]:
        """Return values per class, curves and kinds of mistakes."""
        return sections.sections(predictions, targets, classes=self.classes, threshold=self.options.threshold)


def _names(sample: Sample) -> list[str]:
    """Return the class of each object that is a target: a crowd is none."""
    return [name for name, crowd in zip(sample.target.labels, sample.target.crowd, strict=True) if not crowd]
