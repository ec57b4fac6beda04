"""Backbones from timm: every network of it that is a chain of modules."""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable, Sequence
from functools import cache, lru_cache, partial
from inspect import signature
from typing import Any

import timm
import torch
from timm.layers import DropPath
from timm.models import get_pretrained_cfg
from torch import Tensor

from graft.backbones.channels import adapt_preprocess
from graft.backbones.contract import Backbone, WeightsInfo, no_blocks_to_skip
from graft.backbones.cut import CannotCut, Cut, assemble, differs, plan
from graft.backbones.hub import HUB, TENSORS, hub_file, url_file
from graft.backbones.names import read_index
from graft.errors import WeightsError, did_you_mean
from graft.preprocess import Preprocess
from graft.safeload import load_state_dict

INDEX = "graft.backbones:timm.txt"
_LIST = "graft backbones list --source timm shows what can be cut"

_AUXILIARY = ("AuxLogits",)
"""Training-time classifiers that old files carry and that timm does not build."""


class TimmSource:
    """Networks and weights of timm. An architecture may carry a weight tag: `resnet50.a1_in1k`."""

    def names(self) -> Sequence[str]:
        """Return the architectures that can be cut into stages."""
        return tuple(read_index(INDEX))

    def build(self, arch: str, *, channels: int = 3, stochastic_depth: float = 0.0) -> Backbone:
        """Build `arch` with random weights and its default preprocessing.

        Raises:
            WeightsError: When timm has no `arch`, or it cannot be cut, with the reason.
            RecipeError: When `stochastic_depth` is asked of a network without residual blocks.
        """
        cut = cut_of(arch, channels)
        model = _skipping(arch, channels, stochastic_depth) if stochastic_depth else _whole(arch, channels)
        backbone = assemble(model, cut, preprocess=adapt_preprocess(_preprocess(_config(arch)), channels))
        if arch.partition(".")[0] not in self.names() and (difference := _difference(model, backbone, channels)):
            raise _refusal(arch, difference)
        return backbone

    def pretrained(self, arch: str) -> WeightsInfo | None:
        """Return what timm records of its weights for `arch`, or None when it has none."""
        config = _config(arch)
        if not config.has_weights:
            return None
        return WeightsInfo(
            name=f"{config.architecture}.{config.tag}" if config.tag else config.architecture,
            licence=config.license,
            origin=f"{HUB}{config.hf_hub_id}" if config.hf_hub_id else str(config.url),
            preprocess=_preprocess(config),
        )

    def tagged(self, arch: str) -> Sequence[str]:
        """Return the names of all of timm's weights for `arch`."""
        return tuple(timm.list_pretrained(arch.partition(".")[0] + ".*"))

    def fetch(self, arch: str) -> dict[str, Tensor]:
        """Return timm's weights for `arch` from the cache of the Hugging Face hub, or from the hub itself.

        Raises:
            OfflineError: When they are not in the cache and the network is off or cannot be reached.
            WeightsError: When there are none, or only in a format that is no state dict.
        """
        config = _config(arch)
        if not config.has_weights or config.custom_load:
            what = "only in a format that is no state dict" if config.custom_load else "no weights"
            raise WeightsError(f"timm has {what} for '{arch}'", fix='write backbone.weights = "none", or name a file')
        if config.hf_hub_id:
            given = (config.hf_hub_filename,) if config.hf_hub_filename else ()
            path = hub_file(config.hf_hub_id, (*given, *TENSORS), arch=f"timm:{arch}")
        else:
            path = url_file(config.url, arch=f"timm:{arch}")
        return load_state_dict(path)

    def convert(self, arch: str, state: dict[str, Tensor]) -> dict[str, Tensor]:
        """Rename the tensors of a timm state dict; files in an older spelling go through timm's own filter first."""
        names = cut_of(arch).names
        if not names.keys() <= state.keys() and (convert := _filter(arch)):
            try:
                state = convert(dict(state))
            except Exception as error:  # the filter met a file of another kind: its names are reported as they are
                logging.getLogger(__name__).debug("timm's filter for %s failed: %s", arch, error)
        return {names.get(name, name): tensor for name, tensor in state.items()}

    def classifier(self, arch: str) -> Sequence[str]:
        """Return the names of timm's own classifier layers."""
        given = _config(arch).classifier
        return (*((given,) if isinstance(given, str) else given or ()), *_AUXILIARY)


def check(arch: str, *, size: int = 96) -> str | None:
    """Return how `arch`, cut, differs from timm's own network on noise, or None when it is the same to the last bit.

    Raises:
        WeightsError: When it cannot be cut at all.
    """
    cut = cut_of(arch)
    model = _model(arch, 3)
    return _difference(model, assemble(model, cut, preprocess=Preprocess()), 3, size=size)


def _difference(model: Any, backbone: Backbone, channels: int, *, size: int = 96) -> str | None:
    seen: list[Tensor] = []
    hook = model.get_submodule(_end(model)).register_forward_hook(lambda module, args, out: seen.append(out))

    def features(x: Tensor) -> Tensor:
        model.forward_features(x)
        return seen.pop()

    def embedding(x: Tensor) -> Tensor:
        vector: Tensor = model.forward_head(model.forward_features(x), pre_logits=True)
        return vector.flatten(1)

    was_training = backbone.training
    model.eval()
    backbone.eval()
    try:
        return differs(backbone, features=features, embedding=embedding, channels=channels, size=size)
    finally:
        hook.remove()
        backbone.train(was_training)


def _config(arch: str) -> Any:
    known = timm.list_models()
    name = arch.partition(".")[0]
    if name not in known:
        hint = did_you_mean(name, known)
        raise WeightsError(f"timm has no architecture '{name}'" + (f": {hint}" if hint else ""), fix=_LIST)
    try:
        return get_pretrained_cfg(arch, allow_unregistered=False)
    except RuntimeError as error:
        tags = timm.list_pretrained(name + ".*")
        raise WeightsError(f"timm has no weights '{arch}'", fix=f"one of {', '.join(tags) or 'none'}") from error


def _preprocess(config: Any) -> Preprocess:
    _, height, width = config.test_input_size or config.input_size
    return Preprocess(
        size=(height, width),
        resize="squash" if config.crop_mode == "squash" else "shorter",
        crop=config.test_crop_pct or config.crop_pct,
        interpolation="bilinear" if config.interpolation == "bilinear" else "bicubic",
        mean=tuple(config.mean),
        std=tuple(config.std),
    )


def _model(arch: str, channels: int, **options: Any) -> Any:
    return timm.create_model(arch, pretrained=False, num_classes=0, in_chans=channels, **options)


def _whole(arch: str, channels: int) -> Any:
    """Return timm's network, in which no block is skipped, as some families' are by default."""
    model = _model(arch, channels)
    for module in model.modules():
        if isinstance(module, DropPath):
            module.drop_prob = 0.0
    return model


def _skipping(arch: str, channels: int, chance: float) -> Any:
    """Return timm's network with stochastic depth.

    Raises:
        RecipeError: When the family does not know it.
    """
    try:
        return _model(arch, channels, drop_path_rate=chance)
    except TypeError as error:  # the one argument more than the one with which it was just cut
        raise no_blocks_to_skip(f"timm:{arch}") from error


@lru_cache(maxsize=1)
def meta_model(arch: str, channels: int = 3) -> Any:
    """Return timm's network without its classifier and without memory for its tensors."""
    with torch.device("meta"):
        return _model(arch, channels)


def _end(model: Any) -> str:
    taps = getattr(model, "feature_info", None)
    if not taps:
        raise CannotCut("it does not say where its feature maps are")
    module: str = taps[-1]["module"]
    return module


@cache
def cut_of(arch: str, channels: int = 3) -> Cut:
    """Return where timm's `arch` is cut.

    Raises:
        WeightsError: When it cannot be cut, with the reason.
    """
    config = _config(arch)
    if config.fixed_input_size:
        raise _refusal(arch, "it takes images of one size only")
    try:
        model = meta_model(arch, channels)
    except Exception as error:  # whatever timm raises for options that a family does not have
        raise _refusal(arch, f"timm cannot build it: {error}") from error
    try:
        return plan(model, end=_end(model), channels=channels, size=max(config.input_size[-1], 224))
    except CannotCut as error:
        raise _refusal(arch, str(error)) from error


def _refusal(arch: str, reason: str) -> WeightsError:
    return WeightsError(f"timm's '{arch}' cannot be cut into stages: {reason}", fix=_LIST)


_FILTERS = ("checkpoint_filter_fn", "_filter_fn", "_filter_torchvision_pretrained")


def _filter(arch: str) -> Callable[[dict[str, Tensor]], dict[str, Tensor]] | None:
    """Return the function by which the family's module of timm reads files in older spellings."""
    module = sys.modules[timm.model_entrypoint(arch.partition(".")[0]).__module__]
    found = next((getattr(module, name) for name in _FILTERS if hasattr(module, name)), None)
    if found is None or len(signature(found).parameters) == 1:
        return found
    return partial(found, model=meta_model(arch))
