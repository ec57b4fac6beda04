"""Options of the task and of its heads. Torch-free."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, PositiveFloat, PositiveInt, model_validator

from graft.recipe.schema import Options

THRESHOLD = 0.5

Rate = Annotated[float, Field(ge=0, lt=1)]
ClassWeights = Literal["none", "balanced"] | dict[str, PositiveFloat]


class TaskOptions(Options):
    """What a label means."""

    labels: Literal["single", "multi"] = "single"
    """`single`: every image shows exactly one class. `multi`: any number of classes, also none."""
    threshold: Annotated[float, Field(gt=0, lt=1)] = THRESHOLD
    """With `labels = "multi"`: the score from which on a class counts as predicted."""

    @model_validator(mode="after")
    def _threshold_has_a_use(self) -> TaskOptions:
        if not self.multi and self.threshold != THRESHOLD:
            raise ValueError('threshold needs labels = "multi": with one label per image the largest score wins')
        return self

    @property
    def multi(self) -> bool:
        """Whether an image may have any number of labels."""
        return self.labels == "multi"


class HeadOptions(Options):
    """What every head of the task has."""

    label_smoothing: Rate = 0.0
    """Share of each target that is spread evenly over the other outcomes; keeps scores from running to 0 and 1."""
    class_weights: ClassWeights = "none"
    """How much each class counts in the loss. `balanced`: rare classes as much as frequent ones, in all; or a table of
    weights by class, where a class that is not named has weight 1."""
    focal: Annotated[float, Field(ge=0)] = 0.0
    """The focal loss's exponent: images that are already classified well count less. 2 is usual, 0 is cross-entropy."""


class LinearOptions(HeadOptions):
    """One linear layer."""

    dropout: Rate = 0.0
    """Share of the embedding that is dropped at random while training."""


class MlpOptions(HeadOptions):
    """Hidden layers."""

    hidden: Annotated[tuple[PositiveInt, ...], Field(min_length=1)] = (512,)
    """Width of each hidden layer."""
    dropout: Rate = 0.2
    """Share of each linear layer's input that is dropped at random while training."""


class RecurrentOptions(HeadOptions):
    """Recurrent layers over the frames of a sequence."""

    hidden: PositiveInt = 128
    """Width of each layer, in each direction."""
    layers: PositiveInt = 1
    """How many layers lie upon each other."""
    bidirectional: bool = False
    """Whether sequences are read backwards, too."""
    dropout: Rate = 0.2
    """Share of what goes from layer to layer, and into the linear layer at the end, that is dropped while training."""
    pooling: Literal["last", "mean"] = "last"
    """What counts: the layers' output after the `last` frame, or the `mean` of those after each frame."""
