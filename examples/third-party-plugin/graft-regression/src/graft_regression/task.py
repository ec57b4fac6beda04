"""The task: numbers as targets, what makes data unfit, and how predictions are shown.

Targets that say places (points, boxes, lines) follow their image: docs/plugin-authors/places.md has such a task.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image, ImageDraw
from pydantic import BaseModel
from torch import Tensor

from graft.data import SPLITS, Catalogue, Sample
from graft.errors import Problem
from graft.report.sections import Section
from graft.tasks import Task
from graft_regression import sections

_STRATA = 4
"""A stratified split keeps the shares of the quarters of the values."""


class RegressionTask(Task):
    """Says one number for an image. Targets are float32 numbers, and so are predictions."""

    def __init__(self, *, classes: Sequence[str], options: BaseModel) -> None:
        super().__init__(classes=classes, options=options)
        (self.value,) = self.classes
        self.prediction_columns = (self.value,)

    def check(self, catalogue: Catalogue, split: Mapping[str, Sequence[int]]) -> list[Problem]:
        """Return whether the training values are all the same: then there is nothing to learn."""
        values = {catalogue.samples[index].target for index in split[SPLITS[0]]}
        if len(values) > 1:
            return []
        return [Problem(self.value, f"is the same in all training images ({', '.join(map(str, values)) or 'none'})")]

    def encode(self, sample: Sample) -> np.float32:
        """Return the value."""
        return np.float32(sample.target)

    def collate(self, targets: Sequence[Any]) -> Tensor:
        """Return values `(B,)` float32."""
        return torch.tensor(np.asarray(targets, dtype=np.float32))

    def strata(self, catalogue: Catalogue) -> Sequence[str]:
        """Return which quarter of the values a sample's is in."""
        values = np.array([sample.target for sample in catalogue.samples])
        edges = np.quantile(values, np.arange(1, _STRATA) / _STRATA)
        return [f"quarter {1 + number}" for number in np.searchsorted(edges, values)]

    def as_row(self, prediction: np.float32) -> dict[str, Any]:
        """Return the value under its name."""
        return {self.value: round(float(prediction), 6)}

    def errors(self, predictions: Sequence[Any], targets: Sequence[Any]) -> NDArray[np.float64]:
        """Return the absolute errors, `(N,)`."""
        return np.abs(np.asarray(predictions, dtype=np.float64) - np.asarray(targets, dtype=np.float64))

    def caption(self, prediction: np.float32, target: Any) -> str:
        """Return as in `cover 12.1 · true: 13`."""
        return f"{self.value} {prediction:.4g} · true: {target:.4g}"

    def draw(self, picture: NDArray[np.uint8], prediction: np.float32 | None, target: Any) -> NDArray[np.uint8] | None:
        """Return the picture with the numbers on a bar below it: what is said above, what is true below."""
        height, width = picture.shape[:2]
        row = max(11, height // 12)
        canvas = Image.new("RGB", (width, height + 2 * row), "black")
        canvas.paste(Image.fromarray(picture), (0, 0))
        pen = ImageDraw.Draw(canvas)
        for place, (value, colour) in enumerate(((prediction, "orange"), (target, "white"))):
            if value is not None:
                pen.text((2, height + place * row), f"{value:.4g}", fill=colour, font_size=row - 2)
        return np.asarray(canvas)

    def baseline(self, targets: Sequence[Any], train_targets: Sequence[Any]) -> list[np.float32]:
        """Return the mean of the training values for every image."""
        return [np.float32(np.mean(np.asarray(train_targets, dtype=np.float64)))] * len(targets)

    def sections(self, predictions: Sequence[Any], targets: Sequence[Any]) -> list[Section]:
        """Return predicted over true values."""
        if not len(predictions):
            return []
        return [sections.scatter(np.asarray(targets), np.asarray(predictions), name=self.value)]
