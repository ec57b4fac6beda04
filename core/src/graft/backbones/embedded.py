"""The small backbone that is part of Graft: a timm network with weights of our own, pretrained on generated images.

`weights/tiny.md` says how they were made, what they are worth, and where they are not enough.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

from torch import Tensor

from graft.backbones.channels import adapt_preprocess
from graft.backbones.contract import Backbone, WeightsInfo
from graft.backbones.names import read_index
from graft.backbones.timm_source import TimmSource
from graft.errors import WeightsError, did_you_mean
from graft.preprocess import Preprocess
from graft.safeload import load_state_dict

INDEX = "graft.backbones:graft.txt"
FOLDER = Path(__file__).parent / "weights"


class EmbeddedSource:
    """Networks whose weights are inside the package: no network, no licence but Graft's own."""

    def names(self) -> Sequence[str]:
        """Return the embedded backbones."""
        return tuple(read_index(INDEX))

    def build(self, arch: str, *, channels: int = 3, stochastic_depth: float = 0.0) -> Backbone:
        """Build `arch` with random weights and its own preprocessing.

        Raises:
            WeightsError: When `arch` is none of `names()`.
        """
        about = _about(arch)
        backbone = TimmSource().build(about["arch"], channels=channels, stochastic_depth=stochastic_depth)
        backbone.preprocess = adapt_preprocess(Preprocess.from_json(about["preprocess"]), channels)
        return backbone

    def pretrained(self, arch: str) -> WeightsInfo:
        """Return what is known of the embedded weights.

        Raises:
            WeightsError: When `arch` is none of `names()`.
        """
        about = _about(arch)
        return WeightsInfo(
            name=arch,
            licence=about["licence"],
            origin="embedded in graft-core",
            preprocess=Preprocess.from_json(about["preprocess"]),
        )

    def tagged(self, arch: str) -> Sequence[str]:
        """Return the one name of the embedded weights."""
        return (arch,)

    def fetch(self, arch: str) -> dict[str, Tensor]:
        """Return the embedded weights, as timm names them.

        Raises:
            WeightsError: When `arch` is none of `names()`, or the installed file is damaged.
        """
        _about(arch)
        return load_state_dict(FOLDER / f"{arch}.safetensors")

    def convert(self, arch: str, state: dict[str, Tensor]) -> dict[str, Tensor]:
        """Rename the tensors of a timm state dict to the names of our `Backbone`."""
        return TimmSource().convert(_about(arch)["arch"], state)

    def classifier(self, arch: str) -> Sequence[str]:
        """Return the names of timm's classifier layers."""
        return TimmSource().classifier(_about(arch)["arch"])


@cache
def _about(arch: str) -> dict[str, Any]:
    known = read_index(INDEX)
    if arch not in known:
        hint = did_you_mean(arch, known)
        raise WeightsError(
            f"no embedded backbone '{arch}'" + (f": {hint}" if hint else ""), fix=f"one of {', '.join(known)}"
        )
    about: dict[str, Any] = json.loads((FOLDER / f"{arch}.json").read_text(encoding="utf-8"))
    return about
