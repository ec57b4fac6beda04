"""What stands in several splits though it should not: groups, and what a domain finds. Torch-free."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from graft.data.samples import Catalogue
from graft.errors import Problem

if TYPE_CHECKING:
    from graft.domains import Domain


def leaks_of(catalogue: Catalogue, split: Mapping[str, Sequence[int]], domain: Domain | None) -> list[Problem]:
    """Return each group that is in more than one split, and what the domain finds beside groups.

    Args:
        catalogue: The samples.
        split: Indices into them by split.
        domain: Asked where there is one.
    """
    places: dict[str, Counter[str]] = defaultdict(Counter)
    for name, indices in split.items():
        for index in indices:
            if (group := catalogue.samples[index].group) is not None:
                places[group][name] += 1
    problems = [
        Problem(f"group {group}", "is in " + " and ".join(f"{name} ({count})" for name, count in counts.items()))
        for group, counts in sorted(places.items())
        if len(counts) > 1
    ]
    return problems + (domain.leaks(catalogue, split) if domain is not None else [])
