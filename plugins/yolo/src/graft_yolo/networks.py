"""ultralytics' descriptions of its networks, as two halves: the trunk, and neck with predictions."""

from __future__ import annotations

from collections.abc import Sequence
from copy import deepcopy
from pathlib import Path
from typing import Any

from torch import nn

from graft_yolo._ultralytics import ROOT, YAML, Detect, initialize_weights, parse_model

FILES = {"yolov8": "v8/yolov8.yaml", "yolo11": "11/yolo11.yaml", "yolo26": "26/yolo26.yaml"}
SIZES = ("n", "s", "m", "l", "x")
MOMENTUM = 0.1
"""A batch's weight in the statistics of norms. ultralytics' 0.03 suits its long runs: after a hundred steps so much is
left of the initial variance of one, in each of a hundred norms, that nothing is found outside of training mode."""
NAMES = tuple(f"{version}{size}" for version in FILES for size in SIZES)


def trunk(name: str, *, channels: int = 3) -> tuple[list[nn.Module], int]:
    """Return the layers of a network's trunk, in order, with random weights, and how many the whole network has.

    Args:
        name: One of `NAMES`.
        channels: Input channels.
    """
    described = _described(name[:-1], name[-1])
    whole = len(described["backbone"]) + len(described["head"])
    layers = _parsed(described | {"head": []}, channels)
    return layers, whole


def neck(version: str, size: str, *, channels: Sequence[int], classes: int) -> tuple[dict[int, nn.Module], list[int]]:
    """Return the layers behind the trunk by their numbers in the whole network, and the numbers of their three inputs.

    Each layer has the numbers of its inputs as `f`, -1 for the layer before it; the last one is a `Detect`.

    Args:
        version: One of `FILES`.
        size: One of `SIZES`.
        channels: Of the three inputs, the finest first.
        classes: Number of classes.
    """
    described = _described(version, size)
    first = len(described["backbone"])
    named = {number for entry in described["head"] if isinstance(entry[0], list) for number in entry[0]}
    inputs = sorted({number for number in named if 0 <= number < first} | {first - 1})
    # Placeholders stand for the trunk: of their channels alone anything is made.
    given = dict(zip(inputs, channels, strict=True))
    described["backbone"] = [[-1, 1, "Index", [given.get(number, 1), 0]] for number in range(first)]
    layers = _parsed(described | {"nc": classes}, 1)[first:]
    return dict(enumerate(layers, first)), inputs


def _described(version: str, size: str) -> dict[str, Any]:
    described: dict[str, Any] = YAML.load(Path(ROOT) / "cfg" / "models" / FILES[version])
    return described | {"scale": size}


def _parsed(described: dict[str, Any], channels: int) -> list[nn.Module]:
    # What the classes' layers look like is kept by ultralytics in the class, for whoever builds one.
    legacy = Detect.legacy
    try:
        network, _ = parse_model(described, ch=channels, verbose=False)
    finally:
        Detect.legacy = legacy
    initialize_weights(network)
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.momentum = MOMENTUM
    _part(network)
    return list(network)


def _part(network: nn.Module) -> None:
    """Give each layer an activation of its own: ultralytics has one for all, whose mode would be that of all stages."""
    for parent in list(network.modules()):
        for name, child in list(parent.named_children()):
            if not child.state_dict() and not list(child.children()):
                setattr(parent, name, deepcopy(child))
