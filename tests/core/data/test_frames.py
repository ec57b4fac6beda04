from __future__ import annotations

import random
from itertools import pairwise
from pathlib import Path

import pytest

from graft.data.frames import file_name, natural, spread
from graft.data.samples import Sample


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


@pytest.mark.parametrize(
    ("frames", "name"),
    [
        ((), "a/1.png"),
        (("1.png",), "a/1.png/1.png"),
        (("1.png", "2.png"), "a/1.png/1.png"),
        (("1.png", "1.png"), "a/1.png"),
    ],
    ids=["image", "sequence of one frame", "sequence", "views of one image"],
)
def test_file_name__views_of_one_image_are_called_as_it_is(frames: tuple[str, ...], name: str) -> None:
    folder = Path("data/a")
    sample = Sample(id="a/1.png", path=folder / "1.png", target=(), frames=tuple(folder / frame for frame in frames))
    assert file_name(sample, sample.path) == name
