"""Files that another decoder reads: what to type where data seems to hold no images. Torch-free."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from graft.data.decoder import Decoder
from graft.plugins.descriptors import DecoderSpec, DomainSpec

if TYPE_CHECKING:
    from graft.plugins import Plugins

_SOME = 1000
"""Files that are looked at: a hint shall not take long."""


def read_otherwise(path: Path, decoder: Decoder, plugins: Plugins) -> str | None:
    """Return what to type when there are files of a kind that another decoder says it reads; else None.

    Args:
        path: The data.
        decoder: The one that was chosen.
        plugins: Offer others, and domains that choose them.
    """
    names = _names(path)
    for name, spec in plugins.specs(DecoderSpec).items():
        unread = [suffix for suffix in spec.suffixes if suffix not in decoder.suffixes]
        found = next((suffix for suffix in unread if any(file.endswith(suffix) for file in names)), None)
        if found is not None:
            domains = [domain for domain, one in plugins.specs(DomainSpec).items() if _decoder_of(one) == name]
            way = f"--domain {domains[0]}" if domains else f"data.decoder.kind={name}"
            return f"{found} files are read with {way}"
    return None


def _names(path: Path) -> list[str]:
    found = [path.name.lower()]
    for _, _, names in os.walk(path):
        found += [name.lower() for name in names]
        if len(found) > _SOME:
            break
    return found


def _decoder_of(domain: DomainSpec) -> str | None:
    part = domain.recipe.get("data", {}).get("decoder")
    return part.get("kind") if isinstance(part, dict) else part
