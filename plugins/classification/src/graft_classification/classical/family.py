"""What a family of estimators must provide: it learns with scikit-learn, and decides in plain torch."""

from __future__ import annotations

import warnings
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from graft_classification.classical.options import ClassicalOptions, WeightedOptions
from graft_classification.losses import initial_weights

NEVER = -30.0
"""The logit of a class that none of the images showed: a chance of 1e-13."""

Floats = NDArray[np.float64]
Labels = NDArray[Any]
"""What is true: class indices `(N,)`, or for multi-label a mask `(N, C)`."""


class Family(nn.Module, ABC):
    """One kind of estimator, of a fixed number of classes.

    `learn` may be called any number of times; the last time counts. What it learnt stands in buffers, whose shapes the
    data decide. A class, or a label's yes or no, that the images do not show is never answered.

    Args:
        classes: Class names.
        multi: Whether an image may have any number of labels.
        options: The kind's own.

    Raises:
        RecipeError: When the options name a class that there is not.
    """

    def __init__(self, classes: Sequence[str], *, multi: bool, options: ClassicalOptions) -> None:
        super().__init__()
        self.classes = tuple(classes)
        self.multi = multi
        self.options: Any = options
        self.class_weights = options.class_weights if isinstance(options, WeightedOptions) else "none"
        self._weights = initial_weights(classes, self.class_weights).tolist()

    @abstractmethod
    def grid(self, x: Floats) -> list[dict[str, Any]]:
        """Return the values to choose among for descriptions `(N, D)`, the most careful first."""

    @abstractmethod
    def learn(self, x: Floats, y: Labels, values: Mapping[str, Any], seed: int) -> None:
        """Learn from descriptions `(N, D)`, N > 0."""

    @abstractmethod
    def decide(self, x: Tensor) -> Tensor:
        """Return decisions `(B, C)` on `(B, D)`: the largest one wins; for multi-label, those above 0 do. Traceable."""

    def calibrate(self, decisions: Tensor, y: Labels) -> None:
        """Learn what decisions `(N, C)` on images that were not learnt from are worth. The default does nothing."""

    def outputs(self, decisions: Tensor) -> Tensor:
        """Return the outputs `(B, C)` for decisions: by default they are logits already. Traceable."""
        return decisions

    def forward(self, x: Tensor) -> Tensor:
        """Return outputs `(B, C)`, as `graft_classification.outputs` reads them, for descriptions `(B, D)`."""
        return self.outputs(self.decide(x))

    def of_classes(self, y: Labels) -> Any:
        """Return scikit-learn's `class_weight` for class indices `y`."""
        if isinstance(self.class_weights, str):
            return self._word()
        return {int(index): self._weights[index] for index in np.unique(y)}

    def of_answers(self, index: int) -> Any:
        """Return scikit-learn's `class_weight` for the question whether an image shows a class."""
        return self._word() if isinstance(self.class_weights, str) else {0: 1.0, 1: self._weights[index]}

    def _word(self) -> Literal["balanced"] | None:
        return "balanced" if self.class_weights == "balanced" else None

    def keep(self, **arrays: NDArray[Any]) -> None:
        """Put arrays into the buffers of these names, on the buffers' device and in their type."""
        for name, array in arrays.items():
            buffer = self.get_buffer(name)
            setattr(self, name, torch.from_numpy(np.asarray(array, order="C")).to(buffer))


def questions(y: Labels, n_classes: int) -> Iterator[tuple[int, NDArray[np.int64] | None]]:
    """Yield for each class whether it is shown, `(N,)` of 0 and 1; None where the answer is always the same."""
    for index in range(n_classes):
        shown = (y[:, index] if y.ndim == 2 else y == index).astype(np.int64)
        yield index, shown if 0 < shown.sum() < len(shown) else None


def always(y: Labels, index: int) -> bool:
    """Return whether every image shows a class."""
    return bool((y[:, index] if y.ndim == 2 else y == index).all())


@contextmanager
def unconverged() -> Iterator[None]:
    """Take what an estimator reached when it stopped: cross-validation says how good that is."""
    from sklearn.exceptions import ConvergenceWarning

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        yield
