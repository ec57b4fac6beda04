"""Decisions as probabilities: a sigmoid for each class, fitted to decisions on images that were not learnt from."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F

from graft_classification.classical.family import Labels, questions


class Platt(nn.Module):
    """Platt's scaling (Platt 1999; Lin, Lin & Weng 2007), one class against the rest.

    Args:
        n_classes: C.
        multi: Whether each class stands by itself; else the probabilities are divided by their sum.
    """

    slope: Tensor
    offset: Tensor

    def __init__(self, n_classes: int, *, multi: bool) -> None:
        super().__init__()
        self.multi = multi
        self.register_buffer("slope", torch.ones(n_classes))
        self.register_buffer("offset", torch.zeros(n_classes))

    def learn(self, decisions: Tensor, y: Labels) -> None:
        """Learn from decisions `(N, C)` on images that they were not learnt from; a class without any stays as it is.

        Args:
            decisions: The larger, the likelier.
            y: What is true.
        """
        self.slope.fill_(1.0)
        self.offset.fill_(0.0)
        for index, shown in questions(y, len(self.slope)):
            if shown is not None:
                slope, offset = sigmoid_of(decisions[:, index].double().numpy(), shown)
                self.slope[index], self.offset[index] = slope, offset

    def forward(self, decisions: Tensor) -> Tensor:
        """Return logits for multi-label, else log-probabilities `(B, C)`. Traceable."""
        logits = decisions * self.slope + self.offset
        if self.multi:
            return logits
        log = F.logsigmoid(logits)
        return log - torch.logsumexp(log, dim=1, keepdim=True)


def sigmoid_of(decisions: NDArray[np.float64], shown: NDArray[Any]) -> tuple[float, float]:
    """Return slope and offset of the logit as a function of the decision, by maximal likelihood.

    Targets are drawn in as Platt has it, `(n + 1) / (n + 2)` and `1 / (n + 2)`: a few images are no certainty.

    Args:
        decisions: `(N,)`, finite.
        shown: `(N,)`, 0 or 1, both of them somewhere.
    """
    from scipy.optimize import minimize
    from scipy.special import expit

    positive = int(shown.sum())
    negative = len(shown) - positive
    targets = np.where(shown > 0, (positive + 1) / (positive + 2), 1 / (negative + 2))
    # The best slope is about one over the size of the decisions, which may be anything.
    size = max(float(np.abs(decisions).max()), 1e-12)
    x = decisions / size

    def loss(values: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        logits = values[0] * x + values[1]
        rest = expit(logits) - targets
        return float((np.logaddexp(0, logits) - targets * logits).sum()), np.array([rest @ x, rest.sum()])

    begin = np.array([0.0, np.log((positive + 1) / (negative + 1))])
    found = minimize(loss, begin, jac=True, method="L-BFGS-B", options={"gtol": 1e-9, "ftol": 1e-15}).x
    return float(found[0] / size), float(found[1])
