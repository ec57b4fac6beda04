"""Backbones from torchvision: families that are a chain of modules once the functions in their forward are modules."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import torch
import torchvision.models
from torch import Tensor, nn
from torchvision.models import get_model, get_model_weights, list_models

from graft.backbones.channels import adapt_preprocess
from graft.backbones.contract import Backbone, WeightsInfo, no_blocks_to_skip
from graft.backbones.cut import Cut, assemble, plan
from graft.backbones.hub import url_file
from graft.backbones.names import read_index
from graft.errors import WeightsError, did_you_mean
from graft.preprocess import Preprocess
from graft.safeload import load_state_dict

INDEX = "graft.backbones:torchvision.txt"
_LIST = "graft backbones list --source torchvision shows what can be cut"


class Mean(nn.Module):
    """Average over height and width: `(B, C, H, W)` to `(B, C)`. Rounds as `Tensor.mean` does, unlike pooling."""

    def forward(self, x: Tensor) -> Tensor:
        """Return the averages."""
        return x.mean([2, 3])


@dataclass(frozen=True, kw_only=True)
class Family:
    """How a family's forward differs from running its children in order.

    Args:
        prefixes: Beginnings of the architectures' names.
        row: The child at whose end the last feature map is.
        end: Which of the row's children gives it: -2 where the last one is a 1 × 1 convolution to more channels, which
            belongs to the pooled embedding.
        between: What forward does between the children before the classifier and the classifier.
        classifier: A linear layer, or a row that ends in one.
        skips: Whether torchvision can build it with stochastic depth.
    """

    prefixes: tuple[str, ...]
    row: str = "features"
    end: int = -1
    between: tuple[type[nn.Module], ...] = ()
    classifier: str = "classifier"
    skips: bool = False


class _Pool(nn.AdaptiveAvgPool2d):
    def __init__(self) -> None:
        super().__init__(1)


FAMILIES = (
    Family(prefixes=("resnet", "resnext", "wide_resnet"), row="layer4", classifier="fc"),
    Family(prefixes=("vgg",), between=(nn.Flatten,)),
    Family(prefixes=("densenet",), between=(nn.ReLU, _Pool)),
    Family(prefixes=("mobilenet_v2",), end=-2, between=(_Pool, nn.Flatten)),
    Family(prefixes=("mobilenet_v3",), end=-2, between=(nn.Flatten,)),
    Family(prefixes=("efficientnet",), end=-2, between=(nn.Flatten,), skips=True),
    Family(prefixes=("convnext",), skips=True),
    Family(prefixes=("regnet",), row="trunk_output", classifier="fc"),
    Family(prefixes=("shufflenet_v2",), row="stage4", between=(Mean,), classifier="fc"),
    Family(prefixes=("mnasnet",), row="layers", end=-4, between=(Mean,)),
)


class TorchvisionSource:
    """Networks and weights of torchvision. An architecture may carry a weight tag: `resnet50.IMAGENET1K_V1`."""

    def names(self) -> Sequence[str]:
        """Return the architectures that can be cut into stages."""
        return tuple(read_index(INDEX))

    def build(self, arch: str, *, channels: int = 3, stochastic_depth: float = 0.0) -> Backbone:
        """Build `arch` with random weights and its default preprocessing.

        Raises:
            WeightsError: When torchvision has no `arch`, or it belongs to no family that can be cut.
            RecipeError: When `stochastic_depth` is asked of a family whose blocks torchvision never skips.
        """
        weights = _weights(arch)
        if stochastic_depth and not _family(arch).skips:
            raise no_blocks_to_skip(f"torchvision:{arch}")
        preprocess = _preprocess(weights) if weights else Preprocess()
        model = _network(arch, stochastic_depth=stochastic_depth)
        if channels != 3:
            _widen(model, channels)
        chain = _chain(model, _family(arch))
        return assemble(chain, cut_of(arch), preprocess=adapt_preprocess(preprocess, channels))

    def pretrained(self, arch: str) -> WeightsInfo | None:
        """Return what torchvision records of its weights for `arch`, or None when it has none."""
        weights = _weights(arch)
        if weights is None:
            return None
        return WeightsInfo(
            name=f"{arch.partition('.')[0]}.{weights.name}",
            licence=weights.meta.get("license"),
            origin=weights.url,
            preprocess=_preprocess(weights),
            top1=_top1(weights),
        )

    def tagged(self, arch: str) -> Sequence[str]:
        """Return the names of all of torchvision's weights for `arch`."""
        name = arch.partition(".")[0]
        return tuple(f"{name}.{weights.name}" for weights in get_model_weights(name))

    def fetch(self, arch: str) -> dict[str, Tensor]:
        """Return torchvision's weights for `arch` from `$GRAFT_HOME/hub`, or from its address.

        Raises:
            OfflineError: When they are not in the cache and the network is off or cannot be reached.
            WeightsError: When there are none.
        """
        weights = _weights(arch)
        if weights is None:
            raise WeightsError(f"torchvision has no weights for '{arch}'", fix='write backbone.weights = "none"')
        return load_state_dict(url_file(weights.url, arch=f"torchvision:{arch}"))

    def convert(self, arch: str, state: dict[str, Tensor]) -> dict[str, Tensor]:
        """Rename the tensors of a torchvision state dict to the names of our `Backbone`."""
        names = cut_of(arch).names
        return {names.get(name, name): tensor for name, tensor in state.items()}

    def classifier(self, arch: str) -> Sequence[str]:
        """Return the names of torchvision's own classifier layers."""
        name = _family(arch).classifier
        last = getattr(_network(arch, meta=True), name)
        return (f"{name}.{len(last) - 1}" if isinstance(last, nn.Sequential) else name,)


def family_of(name: str) -> Family | None:
    """Return the family to which an architecture belongs, or None when it cannot be cut."""
    return next((family for family in FAMILIES if name.startswith(family.prefixes)), None)


@cache
def cut_of(arch: str) -> Cut:
    """Return where torchvision's `arch` is cut.

    Raises:
        WeightsError: When it cannot be cut.
    """
    family = _family(arch)
    model = _chain(_network(arch, meta=True), family)
    inner = [name for name, _ in model.get_submodule(family.row).named_children()]
    return plan(model, end=f"{family.row}.{inner[family.end]}")


def _network(arch: str, *, meta: bool = False, stochastic_depth: float = 0.0) -> nn.Module:
    name = arch.partition(".")[0]
    if meta:
        try:
            with torch.device("meta"):
                return _network(arch)
        except NotImplementedError:  # RegNet computes its widths with tensors
            return _network(arch).to("meta")
    # Also where it is zero: by default torchvision skips a fifth of an efficientnet's blocks.
    options = {"stochastic_depth_prob": stochastic_depth} if _family(arch).skips else {}
    model: nn.Module = get_model(name, weights=None, **options)
    return model


def _chain(model: nn.Module, family: Family) -> nn.Module:
    """Return a network as modules in the order in which they run, the classifier left out."""
    row = nn.Module()
    for name, child in model.named_children():
        if name != family.classifier:
            row.add_module(name, child)
            continue
        for i, kind in enumerate(family.between):
            row.add_module(f"between{i}", kind())
        if isinstance(child, nn.Sequential):
            row.add_module(name, child[:-1])
    return row


def _widen(model: nn.Module, channels: int) -> None:
    path, first = next((p, m) for p, m in model.named_modules() if isinstance(m, nn.Conv2d))
    parent, _, name = path.rpartition(".")
    conv = nn.Conv2d(
        channels,
        first.out_channels,
        first.kernel_size,  # type: ignore[arg-type]
        stride=first.stride,  # type: ignore[arg-type]
        padding=first.padding,  # type: ignore[arg-type]
        bias=first.bias is not None,
    )
    setattr(model.get_submodule(parent), name, conv)


def _family(arch: str) -> Family:
    name = arch.partition(".")[0]
    family = family_of(name)
    known = list_models(module=torchvision.models)
    if name not in known:
        hint = did_you_mean(name, known)
        raise WeightsError(f"torchvision has no architecture '{name}'" + (f": {hint}" if hint else ""), fix=_LIST)
    if family is None:
        raise WeightsError(
            f"torchvision's '{name}' cannot be cut into stages: it belongs to none of the families that can",
            fix=_LIST,
        )
    return family


def _weights(arch: str) -> Any:
    _family(arch)
    name, _, tag = arch.partition(".")
    offered = get_model_weights(name)
    if not tag:
        return getattr(offered, "DEFAULT", None)
    if tag not in offered.__members__:
        raise WeightsError(
            f"torchvision has no weights '{arch}'",
            fix=f"one of {', '.join(f'{name}.{t}' for t in offered.__members__)}",
        )
    return offered[tag]


def _top1(weights: Any) -> float | None:
    percent = weights.meta.get("_metrics", {}).get("ImageNet-1K", {}).get("acc@1")
    return None if percent is None else float(percent) / 100


def _preprocess(weights: Any) -> Preprocess:
    given = weights.transforms()
    side, resized = given.crop_size[0], given.resize_size[0]
    return Preprocess(
        size=(side, side),
        crop=side / resized,
        interpolation="bicubic" if given.interpolation.value == "bicubic" else "bilinear",
        mean=tuple(given.mean),
        std=tuple(given.std),
    )
