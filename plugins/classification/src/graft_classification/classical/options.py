"""Options of the heads that are fitted at once. Torch-free.

Where an option is a list, cross-validation on the training split chooses among its values.
"""

from __future__ import annotations

from typing import Annotated, Literal, TypeVar

from pydantic import Field, PositiveFloat, PositiveInt

from graft.recipe.schema import Options
from graft.recipe.values import Text
from graft_classification.options import ClassWeights

T = TypeVar("T")
Choices = Annotated[tuple[T, ...], Field(min_length=1)]
"""Values to choose from, the most careful one first: of equals, the first is taken."""


class ClassicalOptions(Options):
    """What every one of them has."""

    scale: bool = True
    """Whether each entry of the description is brought to mean 0 and variance 1 first."""
    pca: PositiveInt | Annotated[float, Field(gt=0, lt=1)] | None = None
    """Principal components that are kept: how many, or the share of the variance that they shall explain."""
    folds: Annotated[int, Field(ge=2, le=20)] = 5
    """Parts of the training split that are left out in turn, to choose among values and to calibrate scores."""


class WeightedOptions(ClassicalOptions):
    """What those have that can weigh classes."""

    class_weights: ClassWeights = "none"
    """How much each class counts. `balanced`: rare classes as much as frequent ones, in all; or a table of weights by
    class, where a class that is not named has weight 1."""


class LogisticOptions(WeightedOptions):
    """Logistic regression."""

    C: Choices[PositiveFloat] = (1e-4, 1e-3, 1e-2, 1e-1, 1.0, 10.0)
    """What the loss of all images counts beside the penalty of the weights; the smaller, the smoother."""


class LinearSvmOptions(WeightedOptions):
    """A linear support vector machine."""

    C: Choices[PositiveFloat] = (1e-5, 1e-4, 1e-3, 1e-2, 1e-1)
    """What the loss of all images counts beside the penalty of the weights; the smaller, the smoother."""


class SvmOptions(WeightedOptions):
    """A support vector machine with a radial kernel."""

    C: Choices[PositiveFloat] = (1.0, 10.0)
    """What the loss of all images counts beside the penalty of the weights; the smaller, the smoother."""
    gamma: Choices[PositiveFloat] = (0.3, 1.0, 3.0)
    """How fast the kernel falls with distance, in units of 1 / (length of the description * its variance)."""


class KnnOptions(ClassicalOptions):
    """Nearest neighbours."""

    neighbours: Choices[PositiveInt] = (20, 10, 5, 3, 1)
    """How many training images vote; each vote counts 1 / distance."""


class ForestOptions(WeightedOptions):
    """A random forest."""

    trees: PositiveInt = 200
    """How many trees vote."""
    leaf: Choices[PositiveInt] = (5, 1)
    """Images that a leaf has at least."""


class BoostingOptions(WeightedOptions):
    """Gradient boosting on histograms."""

    pca: PositiveInt | Annotated[float, Field(gt=0, lt=1)] | None = 64
    """Principal components that are kept: each tree looks at every entry, and embeddings are long. How many, or the
    share of the variance that they shall explain."""
    iterations: PositiveInt = 100
    """Trees per class."""
    rate: Choices[PositiveFloat] = (0.1,)
    """How far each tree goes."""
    leaves: Choices[Annotated[int, Field(ge=2)]] = (4, 16)
    """Leaves that a tree has at most."""
    leaf: PositiveInt = 5
    """Images that a leaf has at least."""


class FittedMlpOptions(ClassicalOptions):
    """A multi-layer perceptron."""

    hidden: Annotated[tuple[PositiveInt, ...], Field(min_length=1)] = (128,)
    """Width of each hidden layer."""
    alpha: Choices[PositiveFloat] = (10.0, 1.0, 0.1, 1e-3)
    """Penalty of the weights; the larger, the smoother."""
    iterations: PositiveInt = 200
    """Times that each image is seen at most."""


Stage = Text | int


class Member(Options):
    """One of an ensemble."""

    kind: Literal["logistic", "linear-svm", "svm", "knn", "forest", "boosting", "fitted-mlp"]
    """Which kind of head, with its usual options."""
    stage: Stage = -1
    """Whose feature maps it sees, pooled by their mean: a name, or counted from the last stage, which is -1."""
    pca: PositiveInt | Annotated[float, Field(gt=0, lt=1)] | None = None
    """Principal components that are kept; by default its kind's own."""


class EnsembleOptions(Options):
    """Several of these heads on the feature maps of different stages."""

    members: Annotated[tuple[Member, ...], Field(min_length=2)] = (
        Member(kind="svm", stage=-1),
        Member(kind="logistic", stage=-1),
        Member(kind="logistic", stage=-2),
    )
    """Each a table of `kind`, `stage` and, if you like, `pca`."""
    vote: Literal["soft", "stacking"] = "soft"
    """`soft`: the mean of their probabilities. `stacking`: a logistic regression on the probabilities that they gave
    images that they had not seen."""
    class_weights: ClassWeights = "none"
    """How much each class counts, for the members that can weigh classes."""
    folds: Annotated[int, Field(ge=2, le=20)] = 5
    """Parts of the training split that are left out in turn."""
