"""The multi-layer perceptron that scikit-learn fits: linear layers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from graft_classification.classical.family import NEVER, Family, Floats, Labels, always, questions, unconverged
from graft_classification.classical.options import FittedMlpOptions


class FittedMlp(Family):
    """Hidden layers with ReLU, fitted by Adam to all images until the loss falls no more."""

    def __init__(self, classes: Sequence[str], *, multi: bool, options: FittedMlpOptions) -> None:
        super().__init__(classes, multi=multi, options=options)
        self.layers = len(options.hidden) + 1
        widths = [1, *options.hidden, len(classes)]
        for number, (before, after) in enumerate(pairwise(widths)):
            self.register_buffer(f"weight{number}", torch.zeros(after, before))
            self.register_buffer(f"bias{number}", torch.zeros(after))

    def grid(self, x: Floats) -> list[dict[str, Any]]:
        """Return the penalties."""
        return [{"alpha": alpha} for alpha in self.options.alpha]

    def learn(self, x: Floats, y: Labels, values: Mapping[str, Any], seed: int) -> None:
        """Fit one network to all classes or labels of which there is something to learn."""
        n = len(self.classes)
        bias = np.full(n, NEVER)
        if self.multi:
            asked = np.array([index for index, shown in questions(y, n) if shown is not None], dtype=np.int64)
            bias[[index for index in range(n) if always(y, index)]] = -NEVER
            y = y[:, asked].astype(np.int64)
            y = y[:, 0] if len(asked) == 1 else y
        else:
            known = np.unique(y)
            bias[known] = 0.0
            asked = known if len(known) > 1 else known[:0]
        widths = [x.shape[1], *self.options.hidden]
        layers = [(np.zeros((after, before)), np.zeros(after)) for before, after in pairwise(widths)]
        weight = np.zeros((n, widths[-1]))
        if len(asked):
            network = self._fitted(x, y, values, seed)
            *hidden, (last, last_bias) = zip(network.coefs_, network.intercepts_, strict=True)
            layers = [(matrix.T, vector) for matrix, vector in hidden]
            # Of two classes, there is one output, which speaks for the second.
            spoken = asked[-last.shape[1] :]
            weight[spoken], bias[spoken] = last.T, last_bias
        for number, (matrix, vector) in enumerate([*layers, (weight, bias)]):
            self.keep(**{f"weight{number}": matrix, f"bias{number}": vector})

    def _fitted(self, x: Floats, y: Labels, values: Mapping[str, Any], seed: int) -> Any:
        from sklearn.neural_network import MLPClassifier

        network = MLPClassifier(
            self.options.hidden, alpha=values["alpha"], max_iter=self.options.iterations, random_state=seed % 2**32
        )
        with unconverged():
            return network.fit(x, y)

    def decide(self, x: Tensor) -> Tensor:
        """Return the network's logits."""
        for number in range(self.layers):
            x = F.linear(x, self.get_buffer(f"weight{number}"), self.get_buffer(f"bias{number}"))
            if number + 1 < self.layers:
                x = F.relu(x)
        return x
