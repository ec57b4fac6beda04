"""The metric."""

import numpy as np

from graft.evaluation import Metric


class HitRate(Metric):
    """Share of hits, in all and by class."""

    def rows(self, predictions, targets):
        hits = [one.scores.argmax() == target for one, target in zip(predictions, targets, strict=True)]
        return np.column_stack([np.array(hits), np.array(targets)]).astype(np.int64)

    def compute(self, rows):
        values = {"hit_rate": float(rows[:, 0].mean())}
        for number, name in enumerate(self.classes):
            own = rows[rows[:, 1] == number, 0]
            values[f"hit_rate.{name}"] = float(own.mean()) if len(own) else float("nan")
        return values
