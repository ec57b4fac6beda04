"""For the tests of plugins: fixtures, and conformance classes that check a contribution against its contract.

pytest finds the fixtures by itself. A conformance class is subclassed, with the name of what it shall check:

    from graft.testing import HeadConformance

    class TestCosine(HeadConformance):
        name = "cosine"

Nothing is imported before it is asked for.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from graft.testing.backbones import tiny_backbone
    from graft.testing.commands import Graft, Result
    from graft.testing.conformance.augmentations import AugmentationConformance
    from graft.testing.conformance.backbones import BackboneConformance
    from graft.testing.conformance.base import Conformance
    from graft.testing.conformance.commands import CommandConformance
    from graft.testing.conformance.decoders import DecoderConformance
    from graft.testing.conformance.domains import DomainConformance
    from graft.testing.conformance.heads import HeadConformance
    from graft.testing.conformance.metrics import MetricConformance
    from graft.testing.conformance.outputs import OutputConformance
    from graft.testing.conformance.plugins import PluginConformance
    from graft.testing.conformance.readers import ReaderConformance
    from graft.testing.conformance.strategies import StrategyConformance
    from graft.testing.conformance.tasks import TaskConformance
    from graft.testing.conformance.writers import WriterConformance
    from graft.testing.processes import Finished, run_python

_MODULES = {
    "AugmentationConformance": "conformance.augmentations",
    "BackboneConformance": "conformance.backbones",
    "CommandConformance": "conformance.commands",
    "Conformance": "conformance.base",
    "DecoderConformance": "conformance.decoders",
    "DomainConformance": "conformance.domains",
    "Finished": "processes",
    "Graft": "commands",
    "HeadConformance": "conformance.heads",
    "MetricConformance": "conformance.metrics",
    "OutputConformance": "conformance.outputs",
    "PluginConformance": "conformance.plugins",
    "ReaderConformance": "conformance.readers",
    "Result": "commands",
    "StrategyConformance": "conformance.strategies",
    "TaskConformance": "conformance.tasks",
    "WriterConformance": "conformance.writers",
    "run_python": "processes",
    "tiny_backbone": "backbones",
}

__all__ = [
    "AugmentationConformance",
    "BackboneConformance",
    "CommandConformance",
    "Conformance",
    "DecoderConformance",
    "DomainConformance",
    "Finished",
    "Graft",
    "HeadConformance",
    "MetricConformance",
    "OutputConformance",
    "PluginConformance",
    "ReaderConformance",
    "Result",
    "StrategyConformance",
    "TaskConformance",
    "WriterConformance",
    "run_python",
    "tiny_backbone",
]


def __getattr__(name: str) -> Any:
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_MODULES[name]}"), name)
