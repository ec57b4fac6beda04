"""Logistic regression and the linear support vector machine: one linear layer."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from graft_classification.classical.family import NEVER, Family, Floats, Labels, always, questions, unconverged
from graft_classification.classical.options import LinearSvmOptions, LogisticOptions
from graft_classification.classical.platt import Platt

_STEPS = 1000


class LinearFamily(Family):
    """A family whose decisions are a linear layer's."""

    never: float
    """The decision on a class that is not there."""

    weight: Tensor
    bias: Tensor

    def __init__(self, classes: Sequence[str], *, multi: bool, options: LogisticOptions | LinearSvmOptions) -> None:
        super().__init__(classes, multi=multi, options=options)
        self.register_buffer("weight", torch.zeros(len(classes), 1))
        self.register_buffer("bias", torch.zeros(len(classes)))

    def grid(self, x: Floats) -> list[dict[str, Any]]:
        """Return the values of C."""
        return [{"C": value} for value in self.options.C]

    def decide(self, x: Tensor) -> Tensor:
        """Return the layer's outputs."""
        return F.linear(x, self.weight, self.bias)

    def learn(self, x: Floats, y: Labels, values: Mapping[str, Any], seed: int) -> None:
        """Fit one estimator to all classes, or one to each label."""
        weight = np.zeros((len(self.classes), x.shape[1]))
        bias = np.full(len(self.classes), self.never)
        if self.multi:
            for index, shown in questions(y, len(self.classes)):
                if shown is None:
                    bias[index] = -self.never if always(y, index) else self.never
                    continue
                estimator = self.estimator(values, self.of_answers(index), seed)
                with unconverged():
                    estimator.fit(x, shown)
                weight[index], bias[index] = estimator.coef_[0], estimator.intercept_[0]
        elif len(known := np.unique(y)) == 1:
            bias[known] = -self.never
        else:
            estimator = self.estimator(values, self.of_classes(y), seed)
            with unconverged():
                estimator.fit(x, y)
            weight[known], bias[known] = self.rows(estimator.coef_, estimator.intercept_)
        self.keep(weight=weight, bias=bias)

    @abstractmethod
    def estimator(self, values: Mapping[str, Any], weights: Any, seed: int) -> Any:
        """Return the estimator, not fitted."""

    @abstractmethod
    def rows(self, coefficients: Floats, intercepts: Floats) -> tuple[Floats, Floats]:
        """Return one row for each class that there is; of two, the estimator has a row for the second alone."""


class Logistic(LinearFamily):
    """Logistic regression: softmax over the classes, or a sigmoid for each label."""

    never = NEVER

    def estimator(self, values: Mapping[str, Any], weights: Any, seed: int) -> Any:
        """Return the estimator, not fitted."""
        from sklearn.linear_model import LogisticRegression

        return LogisticRegression(C=values["C"], class_weight=weights, max_iter=_STEPS)

    def rows(self, coefficients: Floats, intercepts: Floats) -> tuple[Floats, Floats]:
        """Return logits: the first of two classes has 0."""
        if len(coefficients) > 1:
            return coefficients, intercepts
        return np.concatenate([0 * coefficients, coefficients]), np.concatenate([0 * intercepts, intercepts])


class LinearSvm(LinearFamily):
    """A linear support vector machine, one class against the rest, with Platt's scaling."""

    never = -1.0  # as an image that is surely not of the class

    def __init__(self, classes: Sequence[str], *, multi: bool, options: LinearSvmOptions) -> None:
        super().__init__(classes, multi=multi, options=options)
        self.platt = Platt(len(classes), multi=multi)

    def estimator(self, values: Mapping[str, Any], weights: Any, seed: int) -> Any:
        """Return the estimator, not fitted."""
        from sklearn.svm import LinearSVC

        return LinearSVC(C=values["C"], class_weight=weights, max_iter=_STEPS, random_state=seed % 2**32)

    def rows(self, coefficients: Floats, intercepts: Floats) -> tuple[Floats, Floats]:
        """Return decisions: what speaks for the second of two classes speaks against the first."""
        if len(coefficients) > 1:
            return coefficients, intercepts
        return np.concatenate([-coefficients, coefficients]), np.concatenate([-intercepts, intercepts])

    def calibrate(self, decisions: Tensor, y: Labels) -> None:
        """Fit a sigmoid for each class."""
        self.platt.learn(decisions, y)

    def outputs(self, decisions: Tensor) -> Tensor:
        """Return the sigmoids' logits, or the logarithms of their shares."""
        return self.platt(decisions)  # type: ignore[no-any-return]
