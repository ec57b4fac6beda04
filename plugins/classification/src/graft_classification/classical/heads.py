"""The heads: a classifier on the embedding."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from graft.backbones import BackboneInfo
from graft.tasks import FittedHead, Outputs
from graft_classification.classical.classifier import Classifier
from graft_classification.classical.family import Family
from graft_classification.classical.kernel import Svm
from graft_classification.classical.linear import LinearSvm, Logistic
from graft_classification.classical.neighbours import Knn
from graft_classification.classical.network import FittedMlp
from graft_classification.classical.options import ClassicalOptions
from graft_classification.classical.search import divided
from graft_classification.classical.trees import Boosting, Forest
from graft_classification.losses import BinaryCrossEntropy, CrossEntropy
from graft_classification.outputs import decoded, probabilities
from graft_classification.scores import Scores, truth
from graft_classification.task import ClassificationTask


class ScoringHead(FittedHead):
    """A head that is fitted at once, with the loss and the decoding that all heads of the task have."""

    def __init__(self, *, info: BackboneInfo, classes: Sequence[str], options: Any, task: ClassificationTask) -> None:
        super().__init__(info=info, classes=classes, options=options, task=task)
        self.classes = tuple(classes)
        self.task_options = task.options
        self.multi = task.options.multi
        self.criterion = (BinaryCrossEntropy if self.multi else CrossEntropy)(classes, smoothing=0.0, weights="none")

    def loss(self, outputs: Outputs, targets: Any) -> dict[str, Tensor]:
        """Return the one term, `classification`: the log loss, whatever was minimised."""
        return {"classification": self.criterion(outputs, targets)}

    def decode(self, outputs: Outputs, image_sizes: Sequence[tuple[int, int]]) -> list[Scores]:
        """Return the scores of each image."""
        return decoded(outputs, multi=self.multi)

    def exported(self, outputs: Outputs) -> dict[str, Tensor]:
        """Return `scores`, probabilities `(B, C)`."""
        return {"scores": probabilities(outputs, multi=self.multi)}


class ClassicalHead(ScoringHead):
    """A classifier on the embedding.

    Raises:
        RecipeError: When the options name a class that there is not.
    """

    family: type[Family]

    def __init__(
        self, *, info: BackboneInfo, classes: Sequence[str], options: ClassicalOptions, task: ClassificationTask
    ) -> None:
        super().__init__(info=info, classes=classes, options=options, task=task)
        self.folds = options.folds
        family = self.family(classes, multi=self.multi, options=options)
        self.classifier = Classifier(info.embed_dim, family)

    def fit(
        self, descriptions: NDArray[np.float32], targets: Sequence[Any], *, seed: int, groups: Sequence[str] | None
    ) -> Mapping[str, Any]:
        """Choose, calibrate and learn."""
        y = truth(targets, len(self.classes), self.task_options)
        parts = divided(y, len(self.classes), groups=groups, folds=self.folds, seed=seed)
        return self.classifier.fit(descriptions, y, parts, seed=seed).chosen

    def answer(self, descriptions: Tensor) -> Tensor:
        """Return outputs `(B, C)`."""
        return self.classifier(descriptions)  # type: ignore[no-any-return]


class LogisticHead(ClassicalHead):
    """Logistic regression."""

    family = Logistic


class LinearSvmHead(ClassicalHead):
    """A linear support vector machine."""

    family = LinearSvm


class SvmHead(ClassicalHead):
    """A support vector machine with a radial kernel."""

    family = Svm


class KnnHead(ClassicalHead):
    """Nearest neighbours."""

    family = Knn


class ForestHead(ClassicalHead):
    """A random forest."""

    family = Forest


class BoostingHead(ClassicalHead):
    """Gradient boosting on histograms."""

    family = Boosting


class FittedMlpHead(ClassicalHead):
    """A multi-layer perceptron, fitted at once."""

    family = FittedMlp
