"""Backbones whose weights are files of a distribution: timm networks, with weights of their own beside the code.

Each is `NAME.safetensors`, with timm's tensor names, so that the file loads without Graft; `NAME.json`, with `arch`
(timm's name), `licence` and `preprocess`; and `NAME.md`, its model card.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any, ClassVar

from torch import Tensor

from graft.backbones.channels import adapt_preprocess
from graft.backbones.contract import Backbone, WeightsInfo
from graft.backbones.names import read_index
from graft.backbones.timm_source import TimmSource
from graft.errors import WeightsError, did_you_mean
from graft.preprocess import Preprocess
from graft.safeload import load_state_dict


class PackagedSource:
    """A source of backbones that need no network: subclass it, and say where its files are."""

    index: ClassVar[str]
    """The list of names, `package:file`, as the descriptor says it."""
    folder: ClassVar[Path]
    """Where the files are."""
    distribution: ClassVar[str]
    """What they are a part of."""

    def names(self) -> Sequence[str]:
        """Return the backbones."""
        return tuple(read_index(self.index))

    def timm_name(self, arch: str) -> str:
        """Return what timm calls the network of a backbone.

        Raises:
            WeightsError: When `arch` is none of `names()`.
        """
        name: str = self._about(arch)["arch"]
        return name

    def build(self, arch: str, *, channels: int = 3, stochastic_depth: float = 0.0) -> Backbone:
        """Build `arch` with random weights and its own preprocessing.

        Raises:
            WeightsError: When `arch` is none of `names()`.
        """
        about = self._about(arch)
        backbone = TimmSource().build(about["arch"], channels=channels, stochastic_depth=stochastic_depth)
        backbone.preprocess = adapt_preprocess(Preprocess.from_json(about["preprocess"]), channels)
        return backbone

    def pretrained(self, arch: str) -> WeightsInfo:
        """Return what is known of the weights.

        Raises:
            WeightsError: When `arch` is none of `names()`.
        """
        about = self._about(arch)
        return WeightsInfo(
            name=arch,
            licence=about["licence"],
            origin=f"embedded in {self.distribution}",
            preprocess=Preprocess.from_json(about["preprocess"]),
        )

    def tagged(self, arch: str) -> Sequence[str]:
        """Return the one name of the weights."""
        return (arch,)

    def fetch(self, arch: str) -> dict[str, Tensor]:
        """Return the weights, as timm names them.

        Raises:
            WeightsError: When `arch` is none of `names()`, or the installed file is damaged.
        """
        self._about(arch)
        return load_state_dict(self.folder / f"{arch}.safetensors")

    def convert(self, arch: str, state: dict[str, Tensor]) -> dict[str, Tensor]:
        """Rename the tensors of a timm state dict to the names of our `Backbone`."""
        return TimmSource().convert(self.timm_name(arch), state)

    def classifier(self, arch: str) -> Sequence[str]:
        """Return the names of timm's classifier layers."""
        return TimmSource().classifier(self.timm_name(arch))

    def _about(self, arch: str) -> dict[str, Any]:
        known = read_index(self.index)
        if arch not in known:
            hint = did_you_mean(arch, known)
            raise WeightsError(
                f"no embedded backbone '{arch}'" + (f": {hint}" if hint else ""), fix=f"one of {', '.join(known)}"
            )
        return _read(self.folder / f"{arch}.json")


@cache
def _read(file: Path) -> dict[str, Any]:
    about: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
    return about
