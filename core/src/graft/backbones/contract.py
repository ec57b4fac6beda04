"""The stage contract: a pretrained network cut into ordered stages that can be run in two halves."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from functools import partial
from typing import Protocol

import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from graft.errors import Problem, RecipeError
from graft.preprocess import Preprocess


@dataclass(frozen=True, kw_only=True)
class StageInfo:
    """What a stage gives.

    Args:
        name: `stem`, `stage1` …
        channels: Channels of its output.
        reduction: Input pixels per output pixel, nominally: unpadded convolutions give slightly smaller maps.
    """

    name: str
    channels: int
    reduction: int


@dataclass(frozen=True, kw_only=True)
class BackboneInfo:
    """What a head needs to know of a backbone.

    Args:
        stages: One entry per stage, stem first.
        embed_dim: Length D of the pooled embedding.
    """

    stages: tuple[StageInfo, ...]
    embed_dim: int


class Backbone(nn.Module):
    """A feature extractor in ordered stages; plain torch.

    `prefix(x, i)` followed by `suffix(h, i)` is the same computation as `suffix(x, 0)`, to the last bit in eval mode.

    Args:
        stages: Stage i maps the output of stage i - 1, `(B, C, H, W)`, to its own.
        tail: The pretrained layers after the last stage up to the pooled embedding: pooling, and what the weights
            have between the features and the classifier. Maps `(B, C, H, W)` to `(B, D)`.
        info: Names, channels and reductions of the stages, and D.
        preprocess: What the weights expect of an image.

    Attributes:
        checkpointing: While training, keep only what goes into each stage and calculate the rest again for its gradient
            (Chen et al. 2016). Outputs, gradients and buffers are the same to the last bit.
    """

    def __init__(self, *, stages: Sequence[nn.Module], tail: nn.Module, info: BackboneInfo, preprocess: Preprocess):
        super().__init__()
        if len(stages) != len(info.stages):
            raise ValueError(f"{len(stages)} stages, but info describes {len(info.stages)}")
        self.stages = nn.ModuleList(stages)
        self.tail = tail
        self.info = info
        self.preprocess = preprocess
        self.checkpointing = False

    def pyramid(self, x: Tensor) -> list[Tensor]:
        """Return the feature maps of all stages, `(B, C_i, H / r_i, W / r_i)` each, stem first."""
        maps = []
        for stage in self.stages:
            x = self._run(stage, x)
            maps.append(x)
        return maps

    def embed(self, x: Tensor) -> Tensor:
        """Return the pooled embedding `(B, D)` that the weights' own classifier would see."""
        return self.tail(self.suffix(x, 0))  # type: ignore[no-any-return]

    def prefix(self, x: Tensor, upto: int) -> Tensor:
        """Run the first `upto` stages; `upto = 0` returns `x`."""
        return self.between(x, 0, upto)

    def suffix(self, h: Tensor, start: int) -> Tensor:
        """Run the stages from `start` on, given the output of stage `start - 1`; returns the last feature map."""
        return self.between(h, start, len(self.stages))

    def between(self, h: Tensor, start: int, upto: int) -> Tensor:
        """Run the stages from `start` up to, but without, `upto`, given what comes before `start`."""
        for stage in self.stages[start:upto]:
            h = self._run(stage, h)
        return h

    def _run(self, stage: nn.Module, x: Tensor) -> Tensor:
        if not (self.checkpointing and self.training and torch.is_grad_enabled() and _has_gradient(stage, x)):
            return stage(x)  # type: ignore[no-any-return]
        return checkpoint(stage, x, use_reentrant=False, context_fn=partial(_twice, stage))  # type: ignore[no-any-return]


def _has_gradient(stage: nn.Module, x: Tensor) -> bool:
    """Return whether anything of the stage's calculation is kept: a frozen beginning keeps nothing anyway."""
    return x.requires_grad or any(parameter.requires_grad for parameter in stage.parameters())


def _twice(stage: nn.Module) -> tuple[AbstractContextManager[None], AbstractContextManager[None]]:
    """Return the contexts in which a stage is calculated and calculated again."""
    return nullcontext(), _own_buffers(stage)


@contextmanager
def _own_buffers(stage: nn.Module) -> Iterator[None]:
    """Let a stage work on copies of its buffers: norms count a batch once, however often it is calculated."""
    kept = [(module, dict(module.named_buffers(recurse=False))) for module in stage.modules()]
    try:
        for module, buffers in kept:
            for name, buffer in buffers.items():
                setattr(module, name, buffer.clone())
        yield
    finally:
        for module, buffers in kept:
            for name, buffer in buffers.items():
                setattr(module, name, buffer)


@dataclass(frozen=True, kw_only=True)
class WeightsInfo:
    """What is known of a set of pretrained weights.

    Args:
        name: As in `resnet50.a1_in1k`.
        licence: As the library records it (`apache-2.0`, `cc-by-nc-4.0`); None when it does not say.
        origin: Where it comes from: a hub id, an address, a file.
        preprocess: What it was trained with.
        top1: Share of ImageNet-1K's validation images that the whole network names right, in 0 … 1, as the library
            publishes it; None when it does not say.
    """

    name: str
    licence: str | None
    origin: str
    preprocess: Preprocess
    top1: float | None = None


def no_blocks_to_skip(what: str) -> RecipeError:
    """Return the error for a network, as in `torchvision:vgg11`, that cannot have the stochastic depth asked of it."""
    problem = Problem(
        "strategy.regularise.stochastic_depth",
        f"{what} has no residual blocks that can be skipped",
        "set it to 0, or take a resnet, efficientnet or convnext of timm's",
    )
    return RecipeError("The strategy does not fit the backbone", problems=[problem])


class BackboneSource(Protocol):
    """A library of architectures. Built without arguments."""

    def names(self) -> Sequence[str]:
        """Return the architectures that can be cut into stages."""

    def build(self, arch: str, *, channels: int = 3, stochastic_depth: float = 0.0) -> Backbone:
        """Build `arch` with random weights and its default preprocessing.

        Args:
            arch: Its name.
            channels: Input channels.
            stochastic_depth: Chance in 0 … 1 that the deepest residual block is skipped in training mode, falling to
                zero towards the input (Huang et al. 2016). Changes no name in the state dict. Only given where it is
                not zero: a source none of whose networks has such blocks may leave it out of its signature.

        Raises:
            WeightsError: When `arch` is not one of `names()`, or cannot be cut, with the reason.
            RecipeError: When `arch` has no blocks that can be skipped (`no_blocks_to_skip`).
        """

    def pretrained(self, arch: str) -> WeightsInfo | None:
        """Return what is known of the library's own weights for `arch`, or None when it has none."""

    def tagged(self, arch: str) -> Sequence[str]:
        """Return the names under which each set of the library's weights for `arch` can be asked for."""

    def fetch(self, arch: str) -> dict[str, Tensor]:
        """Return the library's own weights for `arch`, as the library names them, from the cache or the network.

        Raises:
            OfflineError: When they are not in the cache and the network is off or cannot be reached.
        """

    def convert(self, arch: str, state: dict[str, Tensor]) -> dict[str, Tensor]:
        """Rename the tensors of a state dict as the library names them to the names of our `Backbone`.

        Names that do not belong to the backbone (the classifier's) are kept as they are, so that they are reported.
        """

    def classifier(self, arch: str) -> Sequence[str]:
        """Return the names of the library's own classifier layers (`fc`, `head.fc`), which a new head replaces."""
