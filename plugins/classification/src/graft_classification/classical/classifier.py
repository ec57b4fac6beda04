"""Descriptions in, outputs out: preparation and a family together, with everything that they choose."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from graft_classification.classical.family import Family, Labels
from graft_classification.classical.prepare import Preparation
from graft_classification.classical.search import Fold, balanced_accuracy

_CHUNK = 1024


@dataclass(frozen=True)
class Fitted:
    """What fitting a classifier gave.

    Args:
        chosen: What was chosen, and how well it did on images that were left out.
        outputs: `(N, C)`: of each training image from a fold that did not see it; where there are no folds, as learnt.
    """

    chosen: dict[str, Any]
    outputs: Tensor


class Classifier(nn.Module):
    """Prepares descriptions and lets a family decide.

    Args:
        length: D.
        family: Decides; its options say how to prepare.
    """

    def __init__(self, length: int, family: Family) -> None:
        super().__init__()
        self.prepare = Preparation(length, scale=family.options.scale, pca=family.options.pca)
        self.family = family

    def forward(self, descriptions: Tensor) -> Tensor:
        """Return outputs `(B, C)` for descriptions `(B, D)`. Traceable."""
        return self.family(self.prepare(descriptions))  # type: ignore[no-any-return]

    def fit(self, descriptions: NDArray[np.float32], y: Labels, parts: Sequence[Fold], *, seed: int) -> Fitted:
        """Choose values by the balanced accuracy on what was left out, calibrate by it, and learn from all images.

        Scaling and components are learnt from a fold's images alone, as the estimator is.

        Args:
            descriptions: `(N, D)`.
            y: What is true.
            parts: The folds; without any, the middle one of the values is taken, and scores are as sure as on the
                images that were learnt from.
            seed: Of all random draws.
        """
        self.prepare.learn(descriptions, seed)
        grid = self.family.grid(self._prepared(descriptions))
        chosen: dict[str, Any]
        if parts:
            decisions = self._left_out(descriptions, y, parts, grid, seed)
            scores = [self._score(y, each) for each in decisions]
            best = int(np.argmax(np.round(scores, 9)))
            chosen = {**grid[best], "cross-validated balanced accuracy": scores[best]}
        else:
            best = len(grid) // 2
            chosen = {**grid[best], "cross-validated": "no (too few images or groups)"}
        explained = self.prepare.learn(descriptions, seed)
        if explained is not None:
            chosen["components"] = self.prepare.axes.shape[1]
            chosen["explained variance"] = explained
        self.family.learn(self._prepared(descriptions), y, grid[best], seed)
        judged = decisions[best] if parts else self._in_chunks(descriptions, self._decide)
        self.family.calibrate(judged, y)
        return Fitted(chosen, self.family.outputs(judged))

    def _left_out(
        self,
        descriptions: NDArray[np.float32],
        y: Labels,
        parts: Sequence[Fold],
        grid: Sequence[dict[str, Any]],
        seed: int,
    ) -> list[Tensor]:
        """Return, for each entry of the grid, the decisions `(N, C)` on images that were left out."""
        decisions = [torch.zeros(len(y), len(self.family.classes)) for _ in grid]
        for train, test in parts:
            self.prepare.learn(descriptions[train], seed)
            x = self._prepared(descriptions[train])
            unseen = descriptions[test]
            for values, given in zip(grid, decisions, strict=True):
                self.family.learn(x, y[train], values, seed)
                given[torch.from_numpy(test)] = self._in_chunks(unseen, self._decide)
        return decisions

    def _score(self, y: Labels, decisions: Tensor) -> float:
        decided = (decisions > 0).numpy() if self.family.multi else decisions.argmax(dim=1).numpy()
        return balanced_accuracy(y, decided, self.family.classes, multi=self.family.multi)

    def _decide(self, descriptions: Tensor) -> Tensor:
        return self.family.decide(self.prepare(descriptions))

    def _prepared(self, descriptions: NDArray[np.float32]) -> NDArray[np.float64]:
        return self._in_chunks(descriptions, self.prepare).double().numpy()

    def _in_chunks(self, descriptions: NDArray[np.float32], function: Any) -> Tensor:
        with torch.no_grad():
            return torch.cat(
                [function(torch.from_numpy(descriptions[i : i + _CHUNK])) for i in range(0, len(descriptions), _CHUNK)]
            )
