"""The trunks of ultralytics' networks as backbones."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache

import torch
from torch import Tensor, nn

from graft.backbones import Backbone, Cut, WeightsInfo, assemble, plan
from graft.errors import WeightsError, did_you_mean
from graft.preprocess import Preprocess
from graft_yolo.networks import NAMES, trunk

SIDE = 640
"""Pixels of the images that ultralytics trains with."""


class YoloSource:
    """Trunks of YOLOv8, YOLO11 and YOLO26: everything before the neck, cut wherever the resolution changes."""

    def names(self) -> Sequence[str]:
        """Return the architectures."""
        return NAMES

    def build(self, arch: str, *, channels: int = 3) -> Backbone:
        """Build `arch` with random weights. Images are RGB in 0…1, as ultralytics has them.

        Raises:
            WeightsError: When there is no `arch`.
        """
        _check(arch)
        preprocess = Preprocess(size=(SIDE, SIDE), crop=1.0, mean=(0.0,) * channels, std=(1.0,) * channels)
        return assemble(_row(arch, channels), cut_of(arch), preprocess=preprocess)

    def pretrained(self, arch: str) -> WeightsInfo | None:
        """Return that there are none: ultralytics has its own in pickles alone, which are not read."""
        return None

    def tagged(self, arch: str) -> Sequence[str]:
        """Return that there are none."""
        return ()

    def fetch(self, arch: str) -> dict[str, Tensor]:
        """Raise: there are none to fetch.

        Raises:
            WeightsError: Always.
        """
        raise WeightsError(f"there are no weights for '{arch}' that can be fetched", fix="bring them as a file")

    def convert(self, arch: str, state: dict[str, Tensor]) -> dict[str, Tensor]:
        """Rename the tensors of a network of ultralytics', `model.0.conv.weight` or without `model.`."""
        full = {name if name.startswith("model.") else f"model.{name}": tensor for name, tensor in state.items()}
        names = cut_of(arch).names
        return {names.get(name, name): tensor for name, tensor in full.items()}

    def classifier(self, arch: str) -> Sequence[str]:
        """Return the layers behind the trunk: neck and predictions, which a head replaces."""
        layers, whole = _layers(arch)
        return tuple(f"model.{number}" for number in range(layers, whole))


@cache
def cut_of(arch: str) -> Cut:
    """Return where `arch` is cut.

    Raises:
        WeightsError: When there is no such architecture.
    """
    _check(arch)
    with torch.device("meta"):
        return plan(_row(arch, 3), end="model")


@cache
def _layers(arch: str) -> tuple[int, int]:
    """Return how many layers the trunk and the whole network have."""
    _check(arch)
    with torch.device("meta"):
        layers, whole = trunk(arch)
    return len(layers), whole


def _row(arch: str, channels: int) -> nn.Module:
    """Return the trunk as ultralytics names it, and average pooling behind it."""
    row = nn.Module()
    row.add_module("model", nn.Sequential(*trunk(arch, channels=channels)[0]))
    row.add_module("pool", nn.AdaptiveAvgPool2d(1))
    return row


def _check(arch: str) -> None:
    if arch not in NAMES:
        hint = did_you_mean(arch, NAMES)
        raise WeightsError(
            f"there is no YOLO '{arch}'" + (f": {hint}" if hint else ""),
            fix="graft backbones list --source yolo lists them",
        )
