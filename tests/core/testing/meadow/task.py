"""The task."""

from dataclasses import dataclass

import numpy as np
import torch

from graft.tasks import Task


@dataclass(frozen=True)
class Ripe:
    scores: np.ndarray


class RipenessTask(Task):
    """One word for each image."""

    prediction_columns = ("word", "score")

    def __init__(self, *, classes, options):
        super().__init__(classes=classes, options=options)
        self.index = {name: number for number, name in enumerate(self.classes)}

    def check(self, catalogue, split):
        return []

    def encode(self, sample):
        return np.int64(self.index[sample.target])

    def collate(self, targets):
        return torch.from_numpy(np.stack(targets))

    def strata(self, catalogue):
        return [sample.target for sample in catalogue.samples]

    def as_row(self, prediction):
        best = int(prediction.scores.argmax())
        return {"word": self.classes[best], "score": float(prediction.scores[best])}

    def errors(self, predictions, targets):
        return np.array([1 - one.scores[target] for one, target in zip(predictions, targets, strict=True)], float)

    def caption(self, prediction, target):
        return f"{self.as_row(prediction)['word']}, truly {self.classes[target]}"

    def write(self, prediction, kind, path):
        path.write_text(self.as_row(prediction)["word"])

    def baseline(self, targets, train_targets):
        counts = np.bincount(train_targets, minlength=len(self.classes))
        return [Ripe((counts / counts.sum()).astype(np.float32))] * len(targets)

    def sections(self, predictions, targets):
        return []
