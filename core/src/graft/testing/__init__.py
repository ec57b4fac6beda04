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
    from graft.testing.processes import Finished, run_python

_MODULES = {
    "Finished": "processes",
    "Graft": "commands",
    "Result": "commands",
    "run_python": "processes",
    "tiny_backbone": "backbones",
}

__all__ = [
    "Finished",
    "Graft",
    "Result",
    "run_python",
    "tiny_backbone",
]


def __getattr__(name: str) -> Any:
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_MODULES[name]}"), name)
