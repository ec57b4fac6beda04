"""What this plugin contributes. Imports nothing heavy: every target is a string."""

from __future__ import annotations

from collections.abc import Iterable

from graft.plugins import BackboneSpec, hookimpl

HOOK_API = 1


@hookimpl
def graft_backbones() -> Iterable[BackboneSpec]:
    """Return the backbone."""
    return [
        BackboneSpec(
            name="graft-small",
            summary="A backbone of 2.8 million parameters with weights from generated images, which come with it.",
            target="graft_small.source:SmallSource",
            index="graft_small:index.txt",
        )
    ]
