"""What graft-medical contributes. Imports nothing heavy."""

from __future__ import annotations

from collections.abc import Iterable

from graft.plugins import DomainSpec, hookimpl

HOOK_API = 1


@hookimpl
def graft_domains() -> Iterable[DomainSpec]:
    """Offer the domain."""
    return [
        DomainSpec(
            name="medical",
            summary="Images of patients: DICOM, NIfTI, microscopy.",
            target="graft_medical.domain:Medical",
        )
    ]
