"""What stands in several splits though it should not: groups, and what a domain finds. Torch-free."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

from graft.data.samples import Catalogue, Sample
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
    placed = ((catalogue.samples[index], name) for name, indices in split.items() for index in indices)
    problems = [
        Problem(f"group {group}", "is in " + " and ".join(f"{name} ({count})" for name, count in counts.items()))
        for group, counts in crossing(placed).items()
    ]
    return problems + (domain.leaks(catalogue, split) if domain is not None else [])


def crossing(placed: Iterable[tuple[Sample, str]]) -> dict[str, Counter[str]]:
    """Return how many samples of each split a group has, for groups that are in more than one, sorted.

    Args:
        placed: Samples, each with its split.
    """
    places: dict[str, Counter[str]] = defaultdict(Counter)
    for sample, name in placed:
        if sample.group is not None:
            places[sample.group][name] += 1
    return {group: counts for group, counts in sorted(places.items()) if len(counts) > 1}
