"""What graft-satellite contributes. Imports nothing heavy."""

from __future__ import annotations

from collections.abc import Iterable

from graft.plugins import DomainSpec, hookimpl

HOOK_API = 1


@hookimpl
def graft_domains() -> Iterable[DomainSpec]:
    """Offer the domain."""
    return [
        DomainSpec(
            name="satellite",
            summary="Images of the earth: GeoTIFFs, scenes in tiles.",
            target="graft_satellite.domain:Satellite",
        )
    ]
