"""Writes core/src/graft/backbones/timm.txt: the architectures of timm that can be cut into stages.

    python scripts/index_backbones.py            # all of timm: some minutes
    python scripts/index_backbones.py 'resnet*'  # prints what it finds of these and writes nothing

Each architecture is cut on the meta device, where no arithmetic is done. Whether a chain of modules is the whole
network is a property of the family's code, so the smallest member of each group with the same code (class and layers
of the tail) is also built and compared with timm's own forward, to the last bit; the group stands or falls with it.
"""

from __future__ import annotations

import sys
import time
from collections import Counter, defaultdict
from pathlib import Path

import timm

from graft.backbones import timm_source
from graft.errors import WeightsError

INDEX = Path(__file__).parents[1] / "core/src/graft/backbones/timm.txt"
LARGEST = 150_000_000
"""Parameters of the largest member that is compared; a group whose smallest one is larger is left out."""

PATIENCE = 3
"""Members of a module of timm that are tried when none of them could be cut."""


def main() -> None:
    """Cut everything, compare one of each group, write the index."""
    pattern = sys.argv[1] if len(sys.argv) > 1 else "*"
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
    kept = []
    for key, members in sorted(groups.items()):
        started = time.monotonic()
        parameters, smallest = min(members)
        difference = timm_source.check(smallest) if parameters <= LARGEST else "too large to be compared"
        verdict = difference or f"the same, {time.monotonic() - started:.1f} s"
        print(f"{key[0]} ({len(members)}), {smallest}: {verdict}", flush=True)
        if difference is None:
            kept += [arch for _, arch in members]
    print(f"{len(kept)} can be cut, {len(refused)} of those tried cannot:", *refused, sep="\n  ")
    if pattern == "*":
        INDEX.write_text("".join(f"{arch}\n" for arch in sorted(kept)), encoding="utf-8")


def _group(arch: str) -> tuple[str, ...]:
    cut = timm_source.cut_of(arch)
    model = timm_source.meta_model(arch)
    tail = (f"{path}={type(model.get_submodule(path)).__name__}" for path in cut.tail)
    return type(model).__name__, type(model).__module__, *tail


def _parameters(arch: str) -> int:
    return sum(p.numel() for p in timm_source.meta_model(arch).parameters())


if __name__ == "__main__":
    main()
