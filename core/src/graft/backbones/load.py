"""Builds the backbone that a recipe asks for: architecture, weights, cut, channels and size."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from inspect import signature
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from graft.backbones import store
from graft.backbones.channels import adapt_preprocess
from graft.backbones.contract import Backbone, BackboneSource, WeightsInfo, no_blocks_to_skip
from graft.backbones.cut import truncate
from graft.backbones.hub import HUB, TENSORS, hub_file
from graft.backbones.matching import LoadReport, load_into, unwrapped
from graft.backbones.names import find_architecture
from graft.errors import WeightsError
from graft.plugins import BackboneSpec, Plugins
from graft.preprocess import Preprocess
from graft.recipe.schema import Backbone as Section
from graft.runs.info import DOCUMENT, read_info
from graft.runs.info import TENSORS as MODEL
from graft.safeload import SUFFIXES, load_state_dict

__all__ = ["LoadReport", "LoadedBackbone", "build_backbone"]


@dataclass(frozen=True, kw_only=True)
class LoadedBackbone:
    """A backbone, ready for use.

    Args:
        backbone: Its `preprocess` is the weights' own, for the channels and the size that were asked for.
        source: Name of the source, `timm`.
        arch: Name of the architecture in the source.
        weights: What is known of the weights; None for random ones.
        report: What became of each tensor; None for random weights.
        classifier: Weight `(S, D)` and bias `(S,)` of the weights' own classifier of S classes, where it is one linear
            layer on the embedding: `softmax(embedding @ weight.T + bias)` are its probabilities.
    """

    backbone: Backbone
    source: str
    arch: str
    weights: WeightsInfo | None
    report: LoadReport | None
    classifier: tuple[Tensor, Tensor] | None = None


@dataclass(frozen=True)
class _Weights:
    info: WeightsInfo
    state: Mapping[str, Tensor]


def build_backbone(section: Section, *, plugins: Plugins, stochastic_depth: float = 0.0) -> LoadedBackbone:
    """Build the architecture, load the weights, cut.

    Args:
        section: The recipe's `backbone`.
        plugins: Who offers the architectures.
        stochastic_depth: Chance in 0 … 1 that the deepest residual block of the whole architecture is skipped in
            training mode, falling to zero towards the input (Huang et al. 2016).

    Raises:
        PluginError: When no source has the architecture.
        RecipeError: When the architecture cannot have `stochastic_depth`.
        OfflineError: When the weights would have to be downloaded and cannot be.
        WeightsError: When the weights cannot be found, read or matched, or the architecture cannot be cut as asked.
        RunError: When they are those of a run whose bundle is damaged.
    """
    spec, arch = find_architecture(section.kind, plugins)
    source: BackboneSource = plugins.target(spec)()
    # Before the weights, which may take long to come.
    backbone = _build(source, arch, section.channels, stochastic_depth, f"{spec.name}:{arch}")
    weights = _find(section.weights, spec, arch, source, upto=section.upto)
    whole = list(backbone.state_dict())
    if section.upto is not None:
        backbone = _cut(backbone, section.upto, f"{spec.name}:{arch}")
    if weights is not None:
        backbone.preprocess = adapt_preprocess(weights.info.preprocess, section.channels)
    report = classifier = None
    if weights is not None:
        state = unwrapped(weights.state)
        ours = any(name.startswith("stages.") for name in state)
        if not ours:
            state = source.convert(arch, dict(state))
        layers = ("head",) if ours else source.classifier(arch)
        if not ours and section.upto is None:
            classifier = _linear(state, layers, backbone.info.embed_dim)
        report = load_into(
            backbone,
            state,
            whole=whole,
            classifier=layers,
            trained=weights.info.preprocess,
            what=f"{weights.info.name} for {spec.name}:{arch}",
        )
    if section.sides is not None:
        backbone.preprocess = replace(backbone.preprocess, size=section.sides)
        _try(backbone, f"{spec.name}:{arch}")
    return LoadedBackbone(
        backbone=backbone,
        source=spec.name,
        arch=arch,
        weights=weights.info if weights else None,
        report=report,
        classifier=classifier,
    )


def _linear(state: Mapping[str, Tensor], layers: Sequence[str], embed_dim: int) -> tuple[Tensor, Tensor] | None:
    """Return weight and bias of the one layer of `layers` that is linear on the embedding, in float32."""
    pairs = [(state.get(f"{layer}.weight"), state.get(f"{layer}.bias")) for layer in layers]
    found = [
        (weight.float(), bias.float())
        for weight, bias in pairs
        if weight is not None and bias is not None and weight.shape == (len(bias), embed_dim)
    ]
    return found[0] if len(found) == 1 else None


def _build(source: BackboneSource, arch: str, channels: int, stochastic_depth: float, what: str) -> Backbone:
    if not stochastic_depth:
        return source.build(arch, channels=channels)
    if "stochastic_depth" not in signature(source.build).parameters:
        raise no_blocks_to_skip(what)
    return source.build(arch, channels=channels, stochastic_depth=stochastic_depth)


def _packaged(source: BackboneSource) -> bool:
    # Imports timm, which the prediction of a finished run does without.
    from graft.backbones.packaged import PackagedSource

    return isinstance(source, PackagedSource)


def _find(named: str, spec: BackboneSpec, arch: str, source: BackboneSource, *, upto: str | None) -> _Weights | None:
    """Return the weights that `backbone.weights` names; None for `none`."""
    if named == "none":
        return None
    if named == "embedded" and not _packaged(source):
        raise WeightsError(
            f"{spec.name}:{arch} has no embedded weights: none come with it",
            fix='write backbone.kind = "graft:tiny", or backbone.weights = "pretrained"',
        )
    if named in ("pretrained", "embedded"):
        info = source.pretrained(arch)
        if info is None:
            raise WeightsError(
                f"{spec.name} has no pretrained weights for '{arch}'",
                fix='write backbone.weights = "none", or name a file or another architecture',
            )
        return _Weights(info, source.fetch(arch))
    if named.startswith(HUB):
        return _from_hub(named.removeprefix(HUB), spec, arch, source)
    if named.endswith(SUFFIXES) or "/" in named or "\\" in named:
        return _from_file(Path(named).expanduser(), spec, arch, source)
    return _from_store(named, spec, arch, upto=upto)


def _from_file(path: Path, spec: BackboneSpec, arch: str, source: BackboneSource) -> _Weights:
    known = source.pretrained(arch)
    preprocess = known.preprocess if known else source.build(arch).preprocess
    licence = None
    if path.name == MODEL and (path.parent / DOCUMENT).is_file():
        # A run's own weights see pixels as that run did. How large an image is, is the new run's choice.
        told = read_info(path.parent)
        theirs = Preprocess.from_json(told["preprocess"])
        preprocess = replace(preprocess, mean=theirs.mean, std=theirs.std, channel_order=theirs.channel_order)
        licence = (told["weights"] or {}).get("licence")
    return _Weights(
        WeightsInfo(name=path.name, licence=licence, origin=str(path), preprocess=preprocess),
        load_state_dict(path, way_out=spec.resave),
    )


def _from_store(name: str, spec: BackboneSpec, arch: str, *, upto: str | None) -> _Weights:
    stored = store.get(name)
    if stored.architecture != f"{spec.name}:{arch}":
        raise WeightsError(
            f"the weights '{name}' are for {stored.architecture}, not for {spec.name}:{arch}",
            fix=f'write backbone.kind = "{stored.architecture}"',
        )
    if stored.upto is not None and upto is None:
        raise WeightsError(
            f"the weights '{name}' end at {stored.upto}",
            fix=f'write backbone.upto = "{stored.upto}", or an earlier stage',
        )
    info = WeightsInfo(
        name=name, licence=stored.licence, origin=f"imported from {stored.imported_from}", preprocess=stored.preprocess
    )
    return _Weights(info, load_state_dict(store.verified(stored)))


def _from_hub(repo: str, spec: BackboneSpec, arch: str, source: BackboneSource) -> _Weights:
    """Return the weights of a timm repository on the hub, whose `config.json` says what they are."""
    path = hub_file(repo, ("config.json",), arch=f"{spec.name}:{arch}")
    try:
        config: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        stated: str = config["architecture"]
    except (ValueError, KeyError, TypeError) as error:
        raise WeightsError(
            f"{HUB}{repo}: its config.json does not say which architecture of timm it is for",
            fix="name a repository of timm's, or bring the file of weights: graft backbones import",
        ) from error
    if (spec.name, arch.partition(".")[0]) != ("timm", stated):
        raise WeightsError(
            f"the weights {HUB}{repo} are for timm:{stated}, not for {spec.name}:{arch}",
            fix=f'write backbone.kind = "timm:{stated}"',
        )
    about = {**config, **(config.get("pretrained_cfg") or {})}
    info = WeightsInfo(
        name=repo,
        licence=about.get("license"),
        origin=HUB + repo,
        preprocess=_stated_preprocess(about, source.build(arch).preprocess),
    )
    state = load_state_dict(hub_file(repo, TENSORS, arch=f"timm:{arch}"))
    return _Weights(info, state)


def _stated_preprocess(about: Mapping[str, Any], default: Preprocess) -> Preprocess:
    size = about.get("input_size")
    return replace(
        default,
        size=(int(size[1]), int(size[2])) if size else default.size,
        crop=float(about.get("crop_pct") or default.crop),
        interpolation="bilinear" if about.get("interpolation", default.interpolation) == "bilinear" else "bicubic",
        mean=tuple(about.get("mean") or default.mean),
        std=tuple(about.get("std") or default.std),
    )


def _cut(backbone: Backbone, upto: str, what: str) -> Backbone:
    try:
        return truncate(backbone, upto)
    except KeyError as error:
        names = ", ".join(stage.name for stage in backbone.info.stages)
        raise WeightsError(f"backbone.upto: {what} has no stage '{upto}'", fix=f"one of {names}") from error


def _try(backbone: Backbone, what: str) -> None:
    """Raise where the network's convolutions do not fit into a map that small."""
    was_training = backbone.training
    height, width = backbone.preprocess.size
    try:
        with torch.no_grad():
            backbone.eval().embed(torch.zeros(1, backbone.preprocess.channels, height, width))
    except RuntimeError as error:
        raise WeightsError(
            f"backbone.size: {what} cannot take images of {height} × {width} pixels", fix="choose a larger size"
        ) from error
    finally:
        backbone.train(was_training)
