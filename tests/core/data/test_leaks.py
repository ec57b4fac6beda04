from __future__ import annotations

from pathlib import Path

from graft.data import STANDARD, Catalogue, Sample
from graft.data.leaks import leaks_of
from graft.domains import Domain
from graft.errors import Problem
from graft.recipe import Options


def catalogue(*groups: str | None) -> Catalogue:
    samples = [
        Sample(id=str(number), path=Path(str(number)), target=("a",), group=group)
        for number, group in enumerate(groups)
    ]
    return Catalogue(samples=tuple(samples), classes=("a",), reader="x", root=Path())


def test_leaks_of__a_group_on_both_sides_of_a_split_is_named() -> None:
    split = {"train": [0, 1, 2], "val": [3], "test": [4, 5]}
    given = catalogue("ann", "bob", "bob", "eve", "bob", None)
    assert [str(problem) for problem in leaks_of(given, split, None)] == ["group bob: is in train (2) and test (1)"]
    assert leaks_of(catalogue("a", "a", "a", "b", "c", "c"), split, None) == []
    assert leaks_of(catalogue(*[None] * 6), split, None) == []


def test_leaks_of__a_domain_finds_more() -> None:
    class Sea(Domain):
        def leaks(self, catalogue, split):  # type: ignore[no-untyped-def]
            return [Problem(catalogue.samples[0].id, f"lies in {len(split)} places")]

    found = leaks_of(catalogue("a"), {"train": [0]}, Sea(options=Options(), decoder=STANDARD))
    assert [str(problem) for problem in found] == ["0: lies in 1 places"]
    assert leaks_of(catalogue("a"), {"train": [0]}, Domain(options=Options(), decoder=STANDARD)) == []
