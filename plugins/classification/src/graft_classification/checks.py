"""What makes a data set unfit for classification. Torch-free."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence

from graft.data.samples import Catalogue, Sample
from graft.errors import Problem

MULTI = "for any number of labels per image, set task.labels=multi"

_SHOWN = 3


def check(catalogue: Catalogue, split: Mapping[str, Sequence[int]], *, multi: bool) -> list[Problem]:
    """Return every problem, each naming classes and samples."""
    problems = [] if multi else _wrong_numbers(catalogue)
    images: dict[str, list[str]] = defaultdict(list)
    splits: dict[str, Counter[str]] = defaultdict(Counter)
    for sample in catalogue.samples:
        for name in sample.target:
            images[name].append(sample.id)
    for part, indices in split.items():
        for index in indices:
            for name in catalogue.samples[index].target:
                splits[name][part] += 1

    fewest = 1 if multi else 2
    if len(catalogue.classes) < fewest:
        there = ", ".join(f"'{name}'" for name in catalogue.classes) or "none"
        problems.append(Problem("", f"at least {fewest} classes are needed; there is: {there}", _classes_hint(multi)))
    for name in catalogue.classes:
        if not images[name]:
            problems.append(Problem(f"class '{name}'", "no usable image", "add images, or take the class out"))
        elif not splits[name]["train"]:
            where = ", ".join(f"{count} in {part}" for part, count in sorted(splits[name].items()) if count)
            what = f"no image to train on: {where or 'in no split'} ({_some(images[name])})"
            problems.append(Problem(f"class '{name}'", what, "move some of them to train, or add images"))
    return problems


def wrong_number(sample: Sample, hint: str | None = None) -> Problem:
    """Return that a sample has not exactly one label."""
    if not sample.target:
        return Problem(place(sample), "has no label", hint)
    labels = ", ".join(sample.target)
    return Problem(place(sample), f"has {len(sample.target)} labels ({labels}), where one is expected", hint)


def place(sample: Sample) -> str:
    """Return where a sample's annotation stands, and which image it is."""
    return f"{sample.where}, {sample.id}" if sample.where else sample.id


def _wrong_numbers(catalogue: Catalogue) -> list[Problem]:
    """The samples with another number of labels than one; the first one says what to do."""
    wrong = [sample for sample in catalogue.samples if len(sample.target) != 1]
    return [wrong_number(sample, None if number else MULTI) for number, sample in enumerate(wrong)]


def _classes_hint(multi: bool) -> str:
    return "add labels" if multi else "add a folder or rows of another class"


def _some(ids: Sequence[str]) -> str:
    return ", ".join(ids[:_SHOWN]) + (" …" if len(ids) > _SHOWN else "")
