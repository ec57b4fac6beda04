from __future__ import annotations

import random
from itertools import pairwise

import pytest

from graft.data.frames import natural, spread


def test_natural__numbers_count_as_numbers() -> None:
    names = ["1.png", "2.png", "10.png", "a1b2.png", "a1b10.png", "a02.png", "b.png"]
    assert sorted(random.Random(0).sample(names, len(names)), key=natural) == names


def test_natural__tells_apart_what_is_the_same_number() -> None:
    assert sorted(["a1", "a01", "a001"], key=natural) == ["a001", "a01", "a1"]


@pytest.mark.parametrize(("n", "most"), [(7, None), (7, 7), (7, 9)])
def test_spread__takes_all_that_fit(n: int, most: int | None) -> None:
    assert spread(range(n), most) == tuple(range(n))


@pytest.mark.parametrize("n", range(2, 40))
@pytest.mark.parametrize("most", [2, 3, 5, 8])
def test_spread__from_the_first_to_the_last_with_even_gaps(n: int, most: int) -> None:
    chosen = spread(range(n), most)
    gaps = {after - before for before, after in pairwise(chosen)}
    assert len(chosen) == min(n, most)
    assert (chosen[0], chosen[-1]) == (0, n - 1)
    assert max(gaps) - min(gaps) <= 1


def test_spread__one_is_the_middle() -> None:
    assert spread("abcde", 1) == ("c",)
