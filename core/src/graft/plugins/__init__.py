"""What plugin authors import: the descriptors, `hookimpl`, and the manager's types."""

from __future__ import annotations

from graft.plugins.descriptors import (
    HOOK_API,
    HOOKS,
    AugmentationSpec,
    BackboneSpec,
    CommandSpec,
    Contribution,
    DecoderSpec,
    Descriptor,
    DomainSpec,
    HeadSpec,
    MetricSpec,
    OutputSpec,
    ReaderSpec,
    StrategySpec,
    TaskSpec,
    WriterSpec,
)
from graft.plugins.hookspecs import hookimpl
from graft.plugins.loading import BrokenPlugin, PluginInfo
from graft.plugins.manager import core_plugins, load_plugins
from graft.plugins.registry import DisabledPlugin, Plugins

__all__ = [
    "HOOKS",
    "HOOK_API",
    "AugmentationSpec",
    "BackboneSpec",
    "BrokenPlugin",
    "CommandSpec",
    "Contribution",
    "DecoderSpec",
    "Descriptor",
    "DisabledPlugin",
    "DomainSpec",
    "HeadSpec",
    "MetricSpec",
    "OutputSpec",
    "PluginInfo",
    "Plugins",
    "ReaderSpec",
    "StrategySpec",
    "TaskSpec",
    "WriterSpec",
    "core_plugins",
    "hookimpl",
    "load_plugins",
]
