"""Heads that are fitted at once to descriptions of all training images, and calculate in plain torch ever after."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel
from torch import Tensor, nn

from graft.backbones.contract import BackboneInfo
from graft.errors import PluginError
from graft.plugins.descriptors import HeadSpec
from graft.tasks.contract import Features, Head, Outputs, Task


class FittedHead(Head):
    """A head that does not learn by steps. Its descriptor says `fitted=True`.

    The backbone, as it is, describes every training image once; `fit` learns from all descriptions together, by
    whatever means, and leaves all that it learnt in buffers. `answer` calculates from these alone, in torch: so
    prediction, evaluation, bundles and exported models work as with every other head.

    The data may decide the shapes of the buffers: room is made for a saved state before it is loaded.
    """

    def __init__(self, *, info: BackboneInfo, classes: Sequence[str], options: BaseModel, task: Task) -> None:
        super().__init__(info=info, classes=classes, options=options, task=task)
        self.register_load_state_dict_pre_hook(_before_loading)  # type: ignore[no-untyped-call]

    def describe(self, features: Features) -> Tensor:
        """Return what is kept of each image, `(B, D)`: by default its embedding."""
        if features.embedding is None:
            raise ValueError("a head that needs the pyramid has to say how it describes an image")
        return features.embedding

    @abstractmethod
    def fit(
        self, descriptions: NDArray[np.float32], targets: Sequence[Any], *, seed: int, groups: Sequence[str] | None
    ) -> Mapping[str, Any]:
        """Learn from all training images. The head is on the CPU; nothing else of the data may be looked at.

        Args:
            descriptions: `(N, D)`, finite; what `describe` gave.
            targets: As the task's `encode` gave them, one per image.
            seed: Of all random draws: the same seed and data give the same buffers.
            groups: The group of each image (a patient, a scene), which no cross-validation may divide; None without.

        Returns:
            What it chose, and how well that did on images that were left out, for the run's record: names and plain
            values.
        """

    @abstractmethod
    def answer(self, descriptions: Tensor) -> Outputs:
        """Return raw outputs for descriptions `(B, D)`, from buffers alone. Traceable."""

    def forward(self, features: Features, image_size: tuple[int, int]) -> Outputs:
        """Return raw outputs for a batch."""
        return self.answer(self.describe(features))

    def make_room(self, state: Mapping[str, Tensor]) -> None:
        """Give each buffer the shape that it has in `state`, by name; its values are then still to be loaded."""
        for name, tensor in state.items():
            path, _, attribute = name.rpartition(".")
            module = _module_at(self, path)
            buffer = None if module is None else module._buffers.get(attribute)
            # Another number of dimensions is no other amount of data, but another model.
            if module is not None and buffer is not None and buffer.ndim == tensor.ndim:
                setattr(module, attribute, buffer.new_zeros(tensor.shape))


def check_fitted(spec: HeadSpec, head: Head) -> None:
    """Raise unless a head is fitted at once if, and only if, its descriptor says so.

    Raises:
        PluginError: When the one is not as the other says.
    """
    if isinstance(head, FittedHead) is not spec.fitted:
        says = "says fitted=True, and is no graft.tasks.FittedHead" if spec.fitted else "is a graft.tasks.FittedHead"
        fix = "leave it out" if spec.fitted else "write fitted=True in its HeadSpec"
        raise PluginError(f"head '{spec.name}' ({spec.target}) {says}", fix=fix)


def _before_loading(module: nn.Module, state: Mapping[str, Tensor], prefix: str, *_: Any) -> None:
    assert isinstance(module, FittedHead)  # for the type checker: it is registered by no other
    module.make_room({name.removeprefix(prefix): value for name, value in state.items() if name.startswith(prefix)})


def _module_at(root: nn.Module, path: str) -> nn.Module | None:
    return dict(root.named_modules()).get(path)
