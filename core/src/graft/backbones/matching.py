"""Which tensors of a file go where in a backbone: every one is accounted for, or it is an error."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from graft.backbones.channels import adapt_weight
from graft.backbones.contract import Backbone
from graft.errors import Problem, WeightsError
from graft.preprocess import Preprocess

_WRAPPERS = ("module.", "_orig_mod.", "model.", "backbone.")
"""What data parallelism, `torch.compile` and training scripts put before every name."""


@dataclass(frozen=True, kw_only=True)
class LoadReport:
    """What became of each tensor.

    Args:
        matched: Number of tensors that were loaded.
        reheaded: The old classifier's tensors, which the new head replaces.
        left: Tensors of the stages and pooled layers that `upto` cuts off.
    """

    matched: int
    reheaded: tuple[str, ...] = ()
    left: tuple[str, ...] = ()

    def __str__(self) -> str:
        text = f"{self.matched} tensors loaded"
        if self.reheaded:
            dots = " …" if len(self.reheaded) > 4 else ""
            text += f", {len(self.reheaded)} of the old classifier replaced ({', '.join(self.reheaded[:4])}{dots})"
        if self.left:
            text += f", {len(self.left)} cut off"
        return text


def unwrapped(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return `state` without what wrappers put before all of its names.

    In a bundle of Graft's own, `backbone.` is before the backbone's names alone: it is taken away there.
    """
    if any(name.startswith("backbone.stages.") for name in state):
        return {name.removeprefix("backbone."): tensor for name, tensor in state.items()}
    names = list(state)
    while wrapper := next((w for w in _WRAPPERS if names and all(name.startswith(w) for name in names)), None):
        names = [name.removeprefix(wrapper) for name in names]
    return dict(zip(names, state.values(), strict=True))


def load_into(
    backbone: Backbone,
    state: Mapping[str, Tensor],
    *,
    whole: Sequence[str],
    classifier: Sequence[str],
    trained: Preprocess,
    what: str,
) -> LoadReport:
    """Copy `state` into `backbone`, in float32, and return what became of each tensor.

    Args:
        backbone: As it is used, perhaps cut.
        state: By the backbone's own names, where it has a place for them.
        whole: Names of the tensors before the backbone was cut.
        classifier: Names of layers that a head replaces.
        trained: What the weights were trained with: its channels say whether the first convolution is adapted.
        what: What is loaded where, for the error.

    Raises:
        WeightsError: When anything is missing, has another shape, is not finite, or has no place; nothing is loaded.
    """
    places = backbone.state_dict()
    fitted = {
        name: _fit(name, state[name], place, backbone, trained) for name, place in places.items() if name in state
    }
    wrong = [name for name, tensor in fitted.items() if tensor.shape != places[name].shape]
    # Files from before torch 0.4 lack the counters; nothing is computed from them.
    missing = [name for name in places if name not in state and not name.endswith("num_batches_tracked")]
    left = tuple(name for name in state if name not in places and name in whole)
    rest = [name for name in state if name not in places and name not in whole]
    reheaded = tuple(name for name in rest if name.startswith(tuple(f"{layer}." for layer in classifier)))
    unknown = [name for name in rest if name not in reheaded]
    if wrong or missing or unknown:
        counts = {"missing": missing, "of another shape": wrong, "without a place": unknown}
        raise WeightsError(
            f"{what}: {', '.join(f'{len(names)} tensors {how}' for how, names in counts.items() if names)}; "
            f"{len(fitted) - len(wrong)} of {len(places)} fit",
            problems=[
                *(Problem(n, f"is {_shape(state[n])} in the file, not {_shape(places[n])}") for n in wrong),
                *(Problem(n, f"missing, {_shape(places[n])}") for n in missing),
                *(Problem(n, f"no place for it, {_shape(state[n])}") for n in unknown),
            ],
            fix=_advice(backbone, missing, wrong, unknown),
        )
    broken = [n for n, tensor in fitted.items() if tensor.is_floating_point() and not torch.isfinite(tensor).all()]
    if broken:
        raise WeightsError(
            f"{what}: NaN or infinity in {len(broken)} tensors",
            problems=[Problem(n, "") for n in broken],
            fix="bring a checkpoint from before its training went wrong",
        )
    backbone.load_state_dict(fitted, strict=False)
    return LoadReport(matched=len(fitted), reheaded=reheaded, left=left)


def _fit(name: str, tensor: Tensor, place: Tensor, backbone: Backbone, trained: Preprocess) -> Tensor:
    """Return `tensor` in float32, adapted if it is a first convolution for another number of channels."""
    if tensor.is_floating_point():
        tensor = tensor.float()
    channels = backbone.preprocess.channels
    if channels == trained.channels or not name.startswith("stages.0.") or tensor.ndim != 4:
        return tensor
    (out, given, *kernel), (ours, wanted, *ours_kernel) = tensor.shape, place.shape
    if (out, kernel) == (ours, ours_kernel) and given != wanted and given * channels == wanted * trained.channels:
        bgr = trained.channel_order == "bgr"
        return adapt_weight(tensor, channels=channels, trained=trained.channels, bgr=bgr)
    return tensor


def _advice(backbone: Backbone, missing: Sequence[str], wrong: Sequence[str], unknown: Sequence[str]) -> str:
    if missing and not wrong and not unknown:
        stages = backbone.info.stages
        first = next((i for i in range(len(stages)) if any(n.startswith(f"stages.{i}.") for n in missing)), len(stages))
        if first:
            name = stages[first - 1].name
            return f'the file holds the stages up to {name}: write backbone.upto = "{name}"'
    return "are they for another architecture? graft backbones info NAME shows its stages"


def _shape(tensor: Tensor) -> str:
    return " × ".join(map(str, tensor.shape)) or "a number"
