"""Files with the same content. Torch-free."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence

from graft.data.samples import SPLITS, DuplicateSet, Sample


def find_duplicates(
    samples: Sequence[Sample], split: Mapping[str, Sequence[int]], digests: Mapping[str, str]
) -> tuple[DuplicateSet, ...]:
    """Return the sets of samples whose files are equal byte for byte, those across splits first.

    Args:
        samples: All samples.
        split: Indices into `samples` by split.
        digests: SHA-256 of each file, by sample id.
    """
    found: dict[str, list[tuple[str, str, int]]] = defaultdict(list)
    for name in split:
        for index in split[name]:
            found[digests[samples[index].id]].append((samples[index].id, name, index))
    sets = []
    for digest, members in found.items():
        if len(members) > 1:
            members.sort()
            ids, splits, indices = zip(*members, strict=True)
            conflict = len({repr(samples[index].target) for index in indices}) > 1
            sets.append(DuplicateSet(digest=digest, ids=ids, splits=splits, conflict=conflict))
    return tuple(sorted(sets, key=lambda same: (not same.leaks, same.ids)))


def without_leaks(
    samples: Sequence[Sample], split: Mapping[str, Sequence[int]], duplicates: Sequence[DuplicateSet]
) -> tuple[dict[str, list[int]], list[str]]:
    """Return the split without the copies that leak, and their ids: the test file stays, else the validation file."""
    gone: set[str] = set()
    for same in duplicates:
        keep = max(same.splits, key=SPLITS.index)
        gone.update(name for name, where in zip(same.ids, same.splits, strict=True) if where != keep)
    kept = {name: [index for index in split[name] if samples[index].id not in gone] for name in split}
    return kept, sorted(gone)
