"""The stage contract: a pretrained network cut into ordered stages that can be run in two halves."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from torch import Tensor, nn

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
    """

    def __init__(self, *, stages: Sequence[nn.Module], tail: nn.Module, info: BackboneInfo, preprocess: Preprocess):
        super().__init__()
        if len(stages) != len(info.stages):
            raise ValueError(f"{len(stages)} stages, but info describes {len(info.stages)}")
        self.stages = nn.ModuleList(stages)
        self.tail = tail
        self.info = info
        self.preprocess = preprocess

    def pyramid(self, x: Tensor) -> list[Tensor]:
        """Return the feature maps of all stages, `(B, C_i, H / r_i, W / r_i)` each, stem first."""
        maps = []
        for stage in self.stages:
            x = stage(x)
            maps.append(x)
        return maps

    def embed(self, x: Tensor) -> Tensor:
        """Return the pooled embedding `(B, D)` that the weights' own classifier would see."""
        return self.tail(self.suffix(x, 0))  # type: ignore[no-any-return]

    def prefix(self, x: Tensor, upto: int) -> Tensor:
        """Run the first `upto` stages; `upto = 0` returns `x`."""
        for stage in self.stages[:upto]:
            x = stage(x)
        return x

    def suffix(self, h: Tensor, start: int) -> Tensor:
        """Run the stages from `start` on, given the output of stage `start - 1`; returns the last feature map."""
        for stage in self.stages[start:]:
            h = stage(h)
        return h


@dataclass(frozen=True, kw_only=True)
class WeightsInfo:
    """What is known of a set of pretrained weights.

    Args:
        name: As in `resnet50.a1_in1k`.
        licence: As the library records it (`apache-2.0`, `cc-by-nc-4.0`); None when it does not say.
        origin: Where it comes from: a hub id, an address, a file.
        preprocess: What it was trained with.
    """

    name: str
    licence: str | None
    origin: str
    preprocess: Preprocess


class BackboneSource(Protocol):
    """A library of architectures. Built without arguments."""

    def names(self) -> Sequence[str]:
        """Return the architectures that can be cut into stages."""

    def build(self, arch: str, *, channels: int = 3) -> Backbone:
        """Build `arch` with random weights and its default preprocessing.

        Raises:
            WeightsError: When `arch` is not one of `names()`, or cannot be cut, with the reason.
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
