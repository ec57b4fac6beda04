"""What the licence of pretrained weights means for whoever uses them. Torch-free."""

from __future__ import annotations

import re

_NON_COMMERCIAL = re.compile(r"\bnc\b|non-?commercial|facebookresearch/SWAG", re.IGNORECASE)


def restriction(licence: str | None) -> str | None:
    """Return what to mind about weights under `licence`, or None when it allows all common uses."""
    if licence is None:
        return "the library does not record a licence for these weights: ask where they come from"
    if _NON_COMMERCIAL.search(licence):
        return "these weights may not be used commercially, nor may what is trained from them"
    return None
