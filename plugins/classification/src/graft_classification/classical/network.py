"""The multi-layer perceptron that scikit-learn fits: linear layers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from graft_classification.classical.family import NEVER, Family, Floats, Labels, unconverged
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
        """Fit one network to all classes or labels."""
        n = len(self.classes)
        known = np.arange(n) if self.multi else np.unique(y)
        if self.multi:
            y = y.astype(np.int64) if n > 1 else y[:, 0].astype(np.int64)
        if y.ndim == 1 and len(np.unique(y)) == 1:
            self._answer_always(known if not self.multi or y[0] else known[:0], x.shape[1])
        else:
            self._fit(x, y, known, values, seed)

    def _fit(self, x: Floats, y: Labels, known: Labels, values: Mapping[str, Any], seed: int) -> None:
        from sklearn.neural_network import MLPClassifier

        network = MLPClassifier(
            self.options.hidden,
            alpha=values["alpha"],
            max_iter=self.options.iterations,
            random_state=seed % 2**32,
        )
        with unconverged():
            network.fit(x, y)
        *hidden, (last, last_bias) = zip(network.coefs_, network.intercepts_, strict=True)
        weight, bias = np.zeros((len(self.classes), len(last))), np.full(len(self.classes), NEVER)
        # Of two classes, there is one output, which speaks for the second.
        spoken = known[-last.shape[1] :]
        bias[known] = 0.0
        weight[spoken], bias[spoken] = last.T, last_bias
        self._keep([*((w.T, b) for w, b in hidden), (weight, bias)])

    def _answer_always(self, shown: Labels, length: int) -> None:
        widths = [length, *self.options.hidden, len(self.classes)]
        layers = [(np.zeros((b, a)), np.zeros(b)) for a, b in pairwise(widths)]
        layers[-1][1][:] = NEVER
        layers[-1][1][shown] = -NEVER
        self._keep(layers)

    def _keep(self, layers: Sequence[tuple[Floats, Floats]]) -> None:
        for number, (weight, bias) in enumerate(layers):
            self.keep(**{f"weight{number}": weight, f"bias{number}": bias})

    def decide(self, x: Tensor) -> Tensor:
        """Return the network's logits."""
        for number in range(self.layers):
            x = F.linear(x, self.get_buffer(f"weight{number}"), self.get_buffer(f"bias{number}"))
            if number + 1 < self.layers:
                x = F.relu(x)
        return x
