"""Measures a model on labelled images: after training, and again at any time, with the same numbers."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from typing import TYPE_CHECKING

import torch

from graft.model import Model
from graft.tasks.contract import Prediction

if TYPE_CHECKING:
    from graft.data.dataset import Batch


def predict_split(
    model: Model, loader: Iterable[Batch], *, device: torch.device | str
) -> tuple[list[Prediction], dict[str, float]]:
    """Return the predictions for all of `loader`'s batches, in their order, and the mean of each loss term.

    The mean is over samples: a last batch that is not full counts for as many samples as it has. The model is left in
    eval mode.
    """
    model.eval()
    predictions: list[Prediction] = []
    sums: defaultdict[str, float] = defaultdict(float)
    with torch.inference_mode():
        for batch in loader:
            moved = batch.to(device)
            outputs = model(moved.images)
            for name, term in model.head.loss(outputs, moved.targets).items():
                sums[name] += float(term) * len(batch)
            height, width = moved.images.shape[-2:]
            predictions += model.head.decode(outputs, [(height, width)] * len(batch))
    return predictions, {name: total / len(predictions) for name, total in sums.items()}
