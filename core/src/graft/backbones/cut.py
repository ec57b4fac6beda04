"""Cuts a network that is a chain of modules into stages, wherever the resolution drops.

The pieces keep their names: what was `layer2.0.conv1.weight` is `stages.2.layer2.0.conv1.weight`, so that renaming a
library's weights is putting a prefix before each name.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from graft.backbones.contract import Backbone, BackboneInfo, StageInfo
from graft.backbones.names import stage_names
from graft.preprocess import Preprocess

_DROP = 1.5
"""An output smaller than its input by more than this starts a stage; convolutions without padding change less."""


class CannotCut(Exception):
    """The network is no chain of modules; the text says why."""


@dataclass(frozen=True, kw_only=True)
class Cut:
    """Where a network is cut.

    Args:
        stages: Paths of the modules of each stage, in the order in which they run.
        tail: Paths of the modules between the last feature map and the classifier.
        info: Names, channels and reductions of the stages, and the length of the embedding.
        names: For each tensor in the network's state dict, its name in the `Backbone`.
    """

    stages: tuple[tuple[str, ...], ...]
    tail: tuple[str, ...]
    info: BackboneInfo
    names: Mapping[str, str]


def chain(model: nn.Module) -> list[tuple[str, nn.Module]]:
    """Return path and module of each child, in the order of definition; plain `nn.Sequential` ones opened once."""
    links = []
    for name, child in model.named_children():
        if isinstance(child, nn.Sequential) and type(child).forward is nn.Sequential.forward:
            links += [(f"{name}.{inner}", module) for inner, module in child.named_children()]
        else:
            links.append((name, child))
    return links


@dataclass(frozen=True)
class _Step:
    path: str
    channels: int
    ratio: float
    """Side of its input over side of its output."""


def plan(model: nn.Module, *, end: str, channels: int = 3, size: int = 224) -> Cut:
    """Find where `model` can be cut, by sending one image through its children, one after the other.

    Costs next to nothing when `model` is on the meta device. That the children, in their order, are the whole network
    is an assumption: compare with the network's own forward (`differs`) once for each family.

    Args:
        model: Without its classifier. Put into eval mode.
        end: Path of the module that gives the last feature map, or of the row of modules at whose end it is.
        channels: Input channels.
        size: Side of the image in pixels, large enough for every stage to be larger than one pixel.

    Raises:
        CannotCut: When it is no chain of modules that map `(B, C, H, W)` to such maps, with the reason.
    """
    links = chain(model.eval())
    ends = [i for i, (path, _) in enumerate(links) if path == end or path.startswith(f"{end}.")]
    if not ends:
        raise CannotCut(f"its last feature map comes from inside of a module ('{end}')")
    last = ends[-1]
    device = next((p.device for p in model.parameters()), torch.device("cpu"))
    x = torch.zeros(1, channels, size, size, device=device)
    steps = []
    with torch.no_grad():
        for path, module in links[: last + 1]:
            y = _run(path, module, x)
            if y.ndim != 4 or y.shape[2] != y.shape[3] or y.shape[2] > _DROP * x.shape[2]:
                raise CannotCut(f"'{path}' gives no feature map (B, C, H, W), but {tuple(y.shape)}")
            steps.append(_Step(path, y.shape[1], x.shape[2] / y.shape[2]))
            x = y
        for path, module in links[last + 1 :]:
            x = _run(path, module, x)
    if x.ndim not in (2, 4) or x.numel() != x.shape[1]:
        raise CannotCut(f"it ends in {tuple(x.shape)}, not in one vector for each image")

    groups = _group(steps)
    names = stage_names(len(groups))
    info = []
    reduction = 1
    for i, group in enumerate(groups):
        for step in group:
            reduction *= round(step.ratio)
        info.append(StageInfo(name=names[i], channels=group[-1].channels, reduction=reduction))
    stages = tuple(tuple(step.path for step in group) for group in groups)
    tail = tuple(path for path, _ in links[last + 1 :])
    return Cut(
        stages=stages,
        tail=tail,
        info=BackboneInfo(stages=tuple(info), embed_dim=x.shape[1]),
        names=_names(model, stages, tail),
    )


def _run(path: str, module: nn.Module, x: Tensor) -> Tensor:
    try:
        y = module(x)
    except Exception as error:  # whatever a foreign module raises when it is not a link of a chain
        raise CannotCut(f"'{path}' does not take the output of what is defined before it") from error
    if not isinstance(y, Tensor):
        raise CannotCut(f"'{path}' gives {type(y).__name__}, not one tensor")
    return y


def _group(steps: Sequence[_Step]) -> list[list[_Step]]:
    """Start a group at each drop in resolution; a stem that reduces by four at once is a group of its own."""
    groups: list[list[_Step]] = [[]]
    for step in steps:
        if step.ratio > _DROP and groups[-1]:
            groups.append([])
        groups[-1].append(step)
    first = groups[0]
    if first[0].ratio > 2 * _DROP:
        stem = first[0].path.partition(".")[0]
        last = steps[-1].path.partition(".")[0]
        # `stem.norm` belongs to `stem.conv`; but `features.1` is not of the stem when everything is in `features`.
        n = 1 if stem == last else sum(step.path.partition(".")[0] == stem for step in first)
        if n < len(first):
            groups[:1] = [first[:n], first[n:]]
    return groups


def _names(model: nn.Module, stages: Sequence[Sequence[str]], tail: Sequence[str]) -> dict[str, str]:
    prefixes = {path: f"stages.{i}." for i, paths in enumerate(stages) for path in paths}
    prefixes |= dict.fromkeys(tail, "tail.")
    names = {}
    for name in model.state_dict():
        parts = name.split(".")
        owner = next((p for n in (1, 2) if (p := ".".join(parts[:n])) in prefixes), None)
        if owner is None:
            raise CannotCut(f"its tensor '{name}' belongs to no module of the chain")
        names[name] = prefixes[owner] + name
    return names


def assemble(model: nn.Module, cut: Cut, *, preprocess: Preprocess) -> Backbone:
    """Return `model`, cut: its own modules, under their own names, in stages and a tail."""
    tail = gather(model, cut.tail)
    tail.add_module("vector", nn.Flatten(1))
    return Backbone(
        stages=[gather(model, paths) for paths in cut.stages], tail=tail, info=cut.info, preprocess=preprocess
    )


def gather(model: nn.Module, paths: Sequence[str]) -> nn.Sequential:
    """Return the modules at `paths` in a row; `blocks.3` and `blocks.4` become `3` and `4` of one inner `blocks`."""
    row = nn.Sequential()
    for path in paths:
        parent, _, name = path.rpartition(".")
        at = row
        if parent:
            if parent not in dict(row.named_children()):
                row.add_module(parent, nn.Sequential())
            at = row.get_submodule(parent)  # type: ignore[assignment]
        at.add_module(name, model.get_submodule(path))
    return row


def truncate(backbone: Backbone, upto: str) -> Backbone:
    """Return the stages of `backbone` up to and including the one named `upto`, with average pooling as the tail.

    Raises:
        KeyError: When there is no such stage.
    """
    names = [stage.name for stage in backbone.info.stages]
    if upto not in names:
        raise KeyError(upto)
    n = names.index(upto) + 1
    kept = backbone.info.stages[:n]
    return Backbone(
        stages=list(backbone.stages)[:n],
        tail=nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(1)),
        info=BackboneInfo(stages=kept, embed_dim=kept[-1].channels),
        preprocess=backbone.preprocess,
    )


def differs(
    backbone: Backbone,
    *,
    features: Callable[[Tensor], Tensor],
    embedding: Callable[[Tensor], Tensor],
    channels: int = 3,
    size: int = 96,
) -> str | None:
    """Return how a cut network differs from the whole one on noise, or None when it is the same to the last bit.

    Also differs one of whose stages, or the tail, writes into its input: a cached feature map would not survive it.

    Args:
        backbone: In eval mode, sharing its modules with the whole network.
        features: The whole network, up to its last feature map.
        embedding: The whole network, up to its classifier's input.
        channels: Input channels.
        size: Side of the image in pixels.
    """
    x = torch.randn(2, channels, size, size, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        try:
            maps = [x.clone(), *(h.clone() for h in _maps(backbone, x))]
            for i, part in enumerate((*backbone.stages, backbone.tail)):
                h = maps[i].clone()
                part(h)
                if not torch.equal(h, maps[i]):
                    names = [*(stage.name for stage in backbone.info.stages), "the tail"]
                    return f"{names[i]} writes into its input"
            ours = maps[-1], backbone.embed(x)
            theirs = features(x), embedding(x)
        except Exception as error:  # whatever a foreign network raises
            return f"it cannot be run at {size} × {size} pixels: {error}"
    for what, a, b in zip(("feature map", "embedding"), ours, theirs, strict=True):
        if a.shape != b.shape or not torch.equal(a, b):
            return f"its modules in order do not give its own {what}"
    return None


def _maps(backbone: Backbone, x: Tensor) -> Iterator[Tensor]:
    for stage in backbone.stages:
        x = stage(x)
        yield x
