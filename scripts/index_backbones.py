"""Writes core/src/graft/backbones/*.txt: the architectures that can be cut into stages, and the stages' reductions.

    python scripts/index_backbones.py            # all of them: ten minutes
    python scripts/index_backbones.py 'resnet*'  # prints what it finds of these in timm and writes nothing

Each architecture is cut on the meta device, where no arithmetic is done. Whether a chain of modules is the whole
network is a property of the family's code, so the smallest member of each group with the same code (class and layers
of the tail) is also built and compared with timm's own forward, to the last bit; the group stands or falls with it.
torchvision's families are few, written out by hand, and compared by the tests.
"""

from __future__ import annotations

import sys
import time
from collections import Counter, defaultdict
from collections.abc import Mapping
from pathlib import Path

import timm
import torchvision.models
from torchvision.models import list_models

from graft.backbones import timm_source, torchvision_source
from graft.backbones.contract import BackboneInfo
from graft.backbones.embedded import EmbeddedSource
from graft.errors import WeightsError

FOLDER = Path(__file__).parents[1] / "core/src/graft/backbones"
LARGEST = 150_000_000
"""Parameters of the largest member that is compared; a group whose smallest one is larger is left out."""

PATIENCE = 3
"""Members of a module of timm that are tried when none of them could be cut."""


def main() -> None:
    """Write the indexes, or print what would be in timm's."""
    pattern = sys.argv[1] if len(sys.argv) > 1 else "*"
    found = cut_timm(pattern)
    if pattern == "*":
        write("timm.txt", found)
        known = list_models(module=torchvision.models)
        families = [arch for arch in known if torchvision_source.family_of(arch)]
        write("torchvision.txt", {arch: torchvision_source.cut_of(arch).info for arch in families})
        own = EmbeddedSource()
        write("graft.txt", {arch: own.build(arch).info for arch in own.names()})


def write(file: str, found: Mapping[str, BackboneInfo]) -> None:
    """Write an index."""
    lines = [f"{arch}\t{' '.join(str(one.reduction) for one in found[arch].stages)}\n" for arch in sorted(found)]
    (FOLDER / file).write_text("".join(lines), encoding="utf-8")


def cut_timm(pattern: str) -> dict[str, BackboneInfo]:
    """Cut everything of timm, compare one of each group, and return those that can be cut."""
    groups: dict[tuple[str, ...], list[tuple[int, str]]] = defaultdict(list)
    refused = []
    hopeless: Counter[str] = Counter()
    for arch in timm.list_models(pattern):
        family = timm.model_entrypoint(arch).__module__
        if hopeless[family] >= PATIENCE:
            continue
        try:
            groups[_group(arch)].append((_parameters(arch), arch))
            hopeless[family] = -sys.maxsize
        except WeightsError as error:
            refused.append(f"{arch}: {error.message}")
            hopeless[family] += 1
    kept: dict[str, BackboneInfo] = {}
    for key, members in sorted(groups.items()):
        started = time.monotonic()
        parameters, smallest = min(members)
        difference = timm_source.check(smallest) if parameters <= LARGEST else "too large to be compared"
        verdict = difference or f"the same, {time.monotonic() - started:.1f} s"
        print(f"{key[0]} ({len(members)}), {smallest}: {verdict}", flush=True)
        if difference is None:
            kept |= {arch: timm_source.cut_of(arch).info for _, arch in members}
    print(f"{len(kept)} can be cut, {len(refused)} of those tried cannot:", *refused, sep="\n  ")
    return kept


def _group(arch: str) -> tuple[str, ...]:
    cut = timm_source.cut_of(arch)
    model = timm_source.meta_model(arch)
    tail = (f"{path}={type(model.get_submodule(path)).__name__}" for path in cut.tail)
    return type(model).__name__, type(model).__module__, *tail


def _parameters(arch: str) -> int:
    return sum(p.numel() for p in timm_source.meta_model(arch).parameters())


if __name__ == "__main__":
    main()
