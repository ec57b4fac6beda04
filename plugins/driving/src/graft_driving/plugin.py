"""What graft-driving contributes. Imports nothing heavy."""

from __future__ import annotations

from collections.abc import Iterable

from graft.plugins import DomainSpec, hookimpl

HOOK_API = 1


@hookimpl
def graft_domains() -> Iterable[DomainSpec]:
    """Offer the domain."""
    return [
        DomainSpec(
            name="driving",
            summary="Images from the road: street scenes, drives.",
            target="graft_driving.domain:Driving",
        )
    ]
