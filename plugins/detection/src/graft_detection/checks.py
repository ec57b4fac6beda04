"""What makes a data set unfit for detection. Torch-free."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

from graft.data.samples import Catalogue
from graft.errors import Problem


def check(catalogue: Catalogue, split: Mapping[str, Sequence[int]], *, unseen: bool) -> list[Problem]:
    """Return every problem: nothing to train on, or, unless `unseen` is allowed, a class that is only measured."""
    counts: dict[str, Counter[str]] = {}
    for part, indices in split.items():
        counts[part] = Counter()
        for index in indices:
            objects = catalogue.samples[index].target
            counts[part].update(label for label, crowd in zip(objects.labels, objects.crowd, strict=True) if not crowd)
    if not counts["train"]:
        there = sum(counts[part].total() for part in counts)
        hint = f"there are {there} in val and test" if there else "no image has any"
        return [Problem(str(catalogue.root), "no object to train on", hint)]
    problems = []
    for name in () if unseen else catalogue.classes:
        elsewhere = {part: own[name] for part, own in counts.items() if own[name]}
        if elsewhere and "train" not in elsewhere:
            where = ", ".join(f"{count} in {part}" for part, count in elsewhere.items())
            hint = "move some of these images to train, or set task.unseen=allow"
            problems.append(Problem(f"class '{name}'", f"no object to train on: {where}", hint))
    return problems
