"""Pretrained networks cut into stages: the contract, the sources that build them, and their weights."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from graft.backbones.names import architectures, find_architecture

if TYPE_CHECKING:
    from graft.backbones.contract import Backbone, BackboneInfo, BackboneSource, StageInfo, WeightsInfo
    from graft.backbones.cut import Cut, assemble, plan
    from graft.backbones.load import LoadedBackbone, LoadReport, build_backbone
    from graft.backbones.packaged import PackagedSource

__all__ = [
    "Backbone",
    "BackboneInfo",
    "BackboneSource",
    "Cut",
    "LoadReport",
    "LoadedBackbone",
    "PackagedSource",
    "StageInfo",
    "WeightsInfo",
    "architectures",
    "assemble",
    "build_backbone",
    "find_architecture",
    "plan",
]

# These import torch.
_HEAVY = {
    **dict.fromkeys(("Backbone", "BackboneInfo", "BackboneSource", "StageInfo", "WeightsInfo"), "contract"),
    **dict.fromkeys(("Cut", "assemble", "plan"), "cut"),
    **dict.fromkeys(("LoadReport", "LoadedBackbone", "build_backbone"), "load"),
    "PackagedSource": "packaged",
}


def __getattr__(name: str) -> Any:
    if name not in _HEAVY:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HEAVY[name]}"), name)
