"""What a task and its heads must provide. Plain torch; the engine, prediction, export and the report see only this."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel
from torch import Tensor, nn

from graft.backbones.contract import BackboneInfo
from graft.data.samples import Catalogue, Sample
from graft.errors import Problem
from graft.report.sections import Section

Outputs = Tensor | Mapping[str, Tensor]
"""What a head's `forward` gives: raw, as its loss wants it."""

Prediction = Any
"""What a head's `decode` gives for one image: a task's own type, on the CPU, in numpy."""


@dataclass(frozen=True)
class Features:
    """What a backbone gives a head: the one that its descriptor says it `needs`, the other is None.

    Args:
        embedding: `(B, D)`.
        pyramid: `(B, C_i, H / r_i, W / r_i)` per stage, stem first.
        lengths: For a head whose descriptor says that it reads `sequences`, and where there are some, the number of
            frames of each: the rows are then `(ΣT, …)`, frame by frame. None where each row is an image of its own.
    """

    embedding: Tensor | None = None
    pyramid: tuple[Tensor, ...] | None = None
    lengths: tuple[int, ...] | None = None


class Head(nn.Module, ABC):
    """Turns features into outputs, and owns its loss and its decoding.

    Built as `HeadClass(info=BackboneInfo, classes=(names…), options=OptionsModel, task=Task)`.

    Raises:
        RecipeError: From the constructor, when it cannot take this backbone, saying which would fit.
    """

    def __init__(self, *, info: BackboneInfo, classes: Sequence[str], options: BaseModel, task: Task) -> None:
        super().__init__()

    def prepare(self, targets: Sequence[Any]) -> Mapping[str, Any] | None:
        """Learn what the head needs of the training targets, as the task's `encode` gave them: class counts, priors.

        Called once on a new run, before the first epoch and before weights are put on a device; never on a resume, for
        prediction or in evaluation. What it learns must stand in buffers or parameters, in the shapes that they had
        before, so that a checkpoint carries it. The default does nothing.

        Returns:
            What of it a user should know, for the run's record: names and plain values. None, or nothing, where that
            is not worth a line.
        """
        return None

    def make_room(self, state: Mapping[str, Tensor]) -> None:
        """Take the shapes of a saved `state`, by the names that this head's own state dict has, before it is loaded.

        For heads whose shapes the data decided. The default does nothing.
        """

    @abstractmethod
    def forward(self, features: Features, image_size: tuple[int, int]) -> Outputs:
        """Return raw outputs for a batch; `image_size` is the network input's (H, W) in pixels."""

    @abstractmethod
    def loss(self, outputs: Outputs, targets: Any) -> dict[str, Tensor]:
        """Return named scalar terms, which are summed. `targets` is what the task's `collate` gave, on the device."""

    @abstractmethod
    def decode(self, outputs: Outputs, image_sizes: Sequence[tuple[int, int]]) -> list[Prediction]:
        """Return one prediction per image, in numpy; `image_sizes` are the (H, W) of the network inputs.

        A prediction that says places is a `graft.data.spatial.Spatial`, in the pixels of the network's input, and is
        then brought into those of its file.
        """

    @abstractmethod
    def exported(self, outputs: Outputs) -> dict[str, Tensor]:
        """Return what an exported model gives, by name: probabilities rather than logits. Traceable."""


class Task(ABC):
    """What is predicted: target types, collation, checks, and how predictions are shown.

    Built as `TaskClass(classes=(names…), options=OptionsModel)`.
    """

    prediction_columns: tuple[str, ...] = ()
    """The columns of `predict --format csv`, beside `path`; set by the constructor where they depend on the classes."""

    errors_title: str = "Largest errors"
    """What the report calls the images with the largest `errors`."""

    errors_note: str = (
        "on which the model was most wrong, or least sure of what is right, the worst first. Wrong annotations are "
        "often among them."
    )
    """What the report says of them, behind "The 12 test images"."""

    numbers: Mapping[str, int] = {}
    """What the training data calls classes by a number, as `Catalogue.numbers`; set where there are some."""

    def __init__(self, *, classes: Sequence[str], options: BaseModel) -> None:
        self.classes = tuple(classes)
        self.options = options

    @abstractmethod
    def check(self, catalogue: Catalogue, split: Mapping[str, Sequence[int]]) -> list[Problem]:
        """Return what makes these samples unfit for the task: a class with no image, two labels where one fits."""

    @abstractmethod
    def encode(self, sample: Sample) -> Any:
        """Return the sample's target as numbers (numpy).

        One that says places is a `graft.data.spatial.Spatial`, in the pixels of the sample's file: it then follows its
        image through preprocessing and augmentation, and is heavy only where it is asked for its places.
        """

    @abstractmethod
    def collate(self, targets: Sequence[Any]) -> Any:
        """Return encoded targets as a batch: tensors, or lists and dicts of tensors."""

    @abstractmethod
    def strata(self, catalogue: Catalogue) -> Sequence[str]:
        """Return one word per sample; a stratified split keeps the shares of the words."""

    def shows(self, catalogue: Catalogue) -> Sequence[Collection[str]]:
        """Return words for what each sample shows, each once; the report counts images by them.

        The default is what a split keeps the shares of: of several classes in an image that is one alone.
        """
        return [(word,) for word in self.strata(catalogue)]

    @abstractmethod
    def as_row(self, prediction: Prediction) -> dict[str, Any]:
        """Return a prediction as plain values for JSON; `prediction_columns` are among its keys."""

    @abstractmethod
    def errors(self, predictions: Sequence[Prediction], targets: Sequence[Any]) -> NDArray[np.float64]:
        """Return how wrong each prediction is, `(N,)`; the report shows the largest as pictures."""

    @abstractmethod
    def caption(self, prediction: Prediction, target: Any) -> str:
        """Return one line for a picture: what was predicted, how surely, and what is true."""

    def draw(self, picture: NDArray[np.uint8], prediction: Prediction | None, target: Any) -> NDArray[np.uint8] | None:
        """Return an image with what is predicted and what is true drawn into it, or None to show it as it is.

        Args:
            picture: `(H, W, 3)`, in the file's pixels.
            prediction: What the model says; None where what is true is shown alone.
            target: What is true.

        Returns:
            A new picture `(h, w, 3)`, of any size.
        """
        return None

    def write(self, prediction: Prediction, kind: str, path: Path) -> None:
        """Write a prediction as a file of a kind that the task's descriptor names in `files`.

        Args:
            prediction: For one image, in the pixels of its file.
            kind: The format's name, which is also the file's suffix.
            path: The file to write; its folder is there.
        """
        raise NotImplementedError(f"{type(self).__name__} writes no files of the kind {kind!r}")

    @abstractmethod
    def baseline(self, targets: Sequence[Any], train_targets: Sequence[Any]) -> list[Prediction]:
        """Return predictions that look at no image (the majority class), to compare with."""

    @abstractmethod
    def sections(self, predictions: Sequence[Prediction], targets: Sequence[Any]) -> list[Section]:
        """Return the task's part of the report on these predictions."""
