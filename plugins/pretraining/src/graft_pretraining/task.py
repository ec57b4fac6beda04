"""The task: images without targets, and what is said of their embeddings."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from graft.data.samples import Catalogue, Sample
from graft.errors import Problem
from graft.report.sections import Section, Table
from graft.tasks import Task
from graft_pretraining.metrics import effective_rank

Embedding = NDArray[np.float32]
"""`(D,)`: what a network sees in an image."""

_FIRST = (1, 5, 20)
"""Of how many directions the report says what share of the variance lies in them."""


class PretrainingTask(Task):
    """Learns what images look like. There is nothing to predict: an image's embedding stands in its place."""

    prediction_columns = ("embedding",)
    errors_title = "Most unusual images"
    errors_note = "that look least like the others to the network, the most unusual first."

    def check(self, catalogue: Catalogue, split: Mapping[str, Sequence[int]]) -> list[Problem]:
        """Return that there is nothing to compare, where training has but one image."""
        if len(split["train"]) > 1:
            return []
        return [Problem("", "there is one image to train on, and images are told apart", "add images")]

    def encode(self, sample: Sample) -> np.int64:
        """Return 0: an image has no target."""
        return np.int64(0)

    def collate(self, targets: Sequence[Any]) -> Tensor:
        """Return zeros `(B,)`."""
        return torch.zeros(len(targets), dtype=torch.int64)

    def strata(self, catalogue: Catalogue) -> Sequence[str]:
        """Return the same word for each: no image is of another kind."""
        return ["image"] * len(catalogue.samples)

    def as_row(self, prediction: Embedding) -> dict[str, Any]:
        """Return `embedding`, a list of D numbers."""
        return {"embedding": [round(float(value), 6) for value in prediction]}

    def errors(self, predictions: Sequence[Embedding], targets: Sequence[Any]) -> NDArray[np.float64]:
        """Return how far each embedding is from their mean: the report shows the most unusual images."""
        rows = np.stack(predictions).astype(np.float64)
        distances: NDArray[np.float64] = np.linalg.norm(rows - rows.mean(axis=0), axis=1)
        return distances

    def caption(self, prediction: Embedding, target: Any) -> str:
        """Return how long the embedding is."""
        return f"{len(prediction)} numbers of length {np.linalg.norm(prediction):.2f}"

    def baseline(self, targets: Sequence[Any], train_targets: Sequence[Any]) -> list[Embedding]:
        """Return the same embedding for every image, whose rank is 1."""
        return [np.ones(1, np.float32)] * len(targets)

    def sections(self, predictions: Sequence[Embedding], targets: Sequence[Any]) -> list[Section]:
        """Return how the embeddings use their dimensions."""
        rows = np.stack(predictions).astype(np.float64)
        variances = np.linalg.svd(rows - rows.mean(axis=0), compute_uv=False) ** 2
        total = variances.sum()
        table: list[tuple[str, float | int | None]] = [
            ("images", len(rows)),
            ("length of an embedding", rows.shape[1]),
            ("effective rank (RankMe)", effective_rank(rows)),
        ]
        for number in _FIRST:
            share = float(variances[:number].sum() / total) if total else None
            table.append((f"share of the variance in the first {number} directions", share))
        return [
            Section(
                title="Embeddings",
                how_to_read="A rank near 1 says that the network sees all images alike (collapse). A higher one is "
                "needed, and is no promise: measure on labelled images.",
                parts=[Table(columns=("measure", "value"), rows=table)],
            )
        ]
