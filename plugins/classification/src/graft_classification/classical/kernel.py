"""The support vector machine with a radial kernel: support vectors and their coefficients."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from graft_classification.classical.family import Family, Floats, Labels, always, questions
from graft_classification.classical.options import SvmOptions
from graft_classification.classical.platt import Platt

_IN_MEMORY = 10_000
"""Up to so many images, the kernel of all pairs is calculated once: 800 MB."""


class Svm(Family):
    """`exp(-gamma * |x - s|²)` over support vectors s, one class against the rest, with Platt's scaling."""

    support: Tensor
    dual: Tensor
    bias: Tensor
    gamma: Tensor

    def __init__(self, classes: Sequence[str], *, multi: bool, options: SvmOptions) -> None:
        super().__init__(classes, multi=multi, options=options)
        self.platt = Platt(len(classes), multi=multi)
        self.register_buffer("support", torch.zeros(1, 1))
        self.register_buffer("dual", torch.zeros(len(classes), 1))
        self.register_buffer("bias", torch.zeros(len(classes)))
        self.register_buffer("gamma", torch.ones(()))

    def grid(self, x: Floats) -> list[dict[str, Any]]:
        """Return the values of C with each of gamma, the smoothest kernels first."""
        return [{"C": c, "gamma": factor} for factor in self.options.gamma for c in self.options.C]

    def learn(self, x: Floats, y: Labels, values: Mapping[str, Any], seed: int) -> None:
        """Fit a machine for each class; of two classes, for the second."""
        from sklearn.metrics.pairwise import rbf_kernel
        from sklearn.svm import SVC

        n = len(self.classes)
        gamma = values["gamma"] / max(x.shape[1] * float(x.var()), 1e-12)
        # The same for each class: with a few classes, most of the time goes into it.
        whole = len(x) <= _IN_MEMORY
        given = rbf_kernel(x, gamma=gamma) if whole else x
        dual, bias = np.zeros((n, len(x))), np.full(n, -1.0)
        mirrored = not self.multi and n == 2
        for index, shown in questions(y, n):
            if shown is None:
                bias[index] = 1.0 if always(y, index) else -1.0
                continue
            if mirrored and index == 0:
                continue
            weights = self.of_answers(index) if self.multi else self._against_the_rest(y, index)
            kernel = "precomputed" if whole else "rbf"
            machine = SVC(C=values["C"], kernel=kernel, gamma=gamma, class_weight=weights).fit(given, shown)
            dual[index, machine.support_], bias[index] = machine.dual_coef_[0], machine.intercept_[0]
            if mirrored:
                dual[0], bias[0] = -dual[1], -bias[1]
        used = np.flatnonzero(dual.any(axis=0))
        used = used if len(used) else np.array([0])
        self.keep(support=x[used], dual=dual[:, used], bias=bias, gamma=np.array(gamma))

    def _against_the_rest(self, y: Labels, index: int) -> Any:
        """Return the weights of the rest and of one class: `balanced` lets the two count alike."""
        weights = self.of_classes(y)
        if not isinstance(weights, dict):
            return weights
        counts = np.bincount(y, minlength=len(self.classes))
        others = [other for other in weights if other != index]
        rest = sum(weights[other] * counts[other] for other in others) / sum(counts[other] for other in others)
        return {0: rest, 1: weights[index]}

    def decide(self, x: Tensor) -> Tensor:
        """Return the machines' decisions."""
        squares = (x * x).sum(dim=1, keepdim=True) + (self.support * self.support).sum(dim=1)
        distances = (squares - 2 * (x @ self.support.T)).clamp(min=0)
        return torch.exp(-self.gamma * distances) @ self.dual.T + self.bias

    def calibrate(self, decisions: Tensor, y: Labels) -> None:
        """Fit a sigmoid for each class."""
        self.platt.learn(decisions, y)

    def outputs(self, decisions: Tensor) -> Tensor:
        """Return the sigmoids' logits, or the logarithms of their shares."""
        return self.platt(decisions)  # type: ignore[no-any-return]
