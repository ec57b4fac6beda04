from __future__ import annotations

import random
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from graft.data.samples import Sample
from graft.data.splits import divide
from graft.errors import DataError
from graft.recipe.schema import Split


def sample(name, time=None, group=None, label="a"):
    return Sample(id=name, path=Path(name), target=(label,), time=time, group=group)


def division_of(samples, **options):
    strata = [one.target[0] for one in samples]
    return divide(samples, strata, Split(by="time", **options), digests={})


def ids(samples, division):
    return {name: [samples[index].id for index in indices] for name, indices in division.split.items()}


def test_divide__the_earliest_are_train_and_the_latest_test() -> None:
    samples = [sample(f"{number}", time=str(number)) for number in random.Random(0).sample(range(20), 20)]
    division = division_of(samples, val=0.2, test=0.1)
    found = {name: sorted(map(int, members)) for name, members in ids(samples, division).items()}
    assert found == {"train": list(range(14)), "val": list(range(14, 18)), "test": [18, 19]}
    assert division.by == "by time (numbers), 20% val, 10% test, val from 14, test from 18"
    assert division.notes == ()


@pytest.mark.parametrize(
    ("times", "kind"),
    [
        (["9", "10", "10.5", "1e3"], "numbers"),
        (["2021-03-04", "2021-03-04T10:00", "2021-11-01"], "dates"),
        (["2021-03-04T12:00+02:00", "2021-03-04T11:00", "2021-03-04T11:30Z"], "dates"),
        (["week 2", "week 9", "week 10"], "the order of texts, as not all times are numbers or ISO dates"),
    ],
)
def test_divide__times_are_numbers_dates_or_texts(times, kind) -> None:
    samples = [sample(f"{n}", time=time) for n, time in enumerate(times)]
    shuffled = random.Random(3).sample(samples, len(samples))
    found = ids(shuffled, division := division_of(shuffled, val=1 / len(times), test=1 / len(times)))
    assert found["test"] == [str(len(times) - 1)]
    assert found["val"] == [str(len(times) - 2)]
    assert f"({kind})" in division.by


def test_divide__without_times_the_names_of_files_count_not_those_of_folders() -> None:
    samples = [sample(f"{label}/{number}.png", label=label) for label in "ab" for number in (1, 2, 10, 11)]
    division = division_of(samples, val=0.25, test=0.25)
    assert ids(samples, division) == {
        "train": ["a/1.png", "a/2.png", "b/1.png", "b/2.png"],
        "val": ["a/10.png", "b/10.png"],
        "test": ["a/11.png", "b/11.png"],
    }
    assert "as no time is given" in division.by


def test_divide__some_without_a_time() -> None:
    with pytest.raises(DataError, match="1 of 3 samples have no time") as error:
        division_of([sample("x", "1"), sample("y"), sample("z", "2")])
    assert [str(problem) for problem in error.value.problems] == ["y: no time"]


def test_divide__one_moment_cannot_be_divided() -> None:
    with pytest.raises(DataError, match="no moment"):
        division_of([sample(str(n), "7") for n in range(9)])


def test_divide__overlapping_groups_cannot_be_divided() -> None:
    samples = [sample(str(n), str(n), group="ab"[n % 2]) for n in range(8)]
    with pytest.raises(DataError, match="no moment"):
        division_of(samples)


def test_divide__with_one_moment_test_goes_first() -> None:
    samples = [sample(str(n), str(n // 5)) for n in range(10)]
    division = division_of(samples)
    assert [len(division.split[name]) for name in ("train", "val", "test")] == [5, 0, 5]
    assert division.notes == ("val is empty: there are too few moments at which the samples could be divided",)


def test_divide__without_test_or_val() -> None:
    samples = [sample(str(n), str(n)) for n in range(10)]
    assert ids(samples, division_of(samples, val=0, test=0.3))["test"] == ["7", "8", "9"]
    division = division_of(samples, val=0, test=0)
    assert len(division.split["train"]) == 10
    assert division.by == "by time (numbers)"


def test_divide__overrules_a_split_of_the_data_and_says_so() -> None:
    samples = [Sample(id=str(n), path=Path(), target=("a",), split="train", time=str(n)) for n in range(9)]
    assert any("overrules" in note for note in division_of(samples).notes)


@settings(max_examples=300, deadline=None)
@given(
    data=st.lists(st.tuples(st.integers(0, 30), st.none() | st.integers(0, 12)), min_size=2, max_size=40),
    val=st.sampled_from([0, 0.15, 0.4]),
    test=st.sampled_from([0, 0.15, 0.4]),
)
def test_divide__no_training_sample_is_as_late_as_a_later_one_and_no_group_is_divided(data, val, test) -> None:
    samples = [
        sample(str(n), str(time), None if group is None else f"g{group}") for n, (time, group) in enumerate(data)
    ]
    try:
        split = division_of(samples, val=val, test=test).split
    except DataError:
        return
    assert sorted(index for members in split.values() for index in members) == list(range(len(samples)))
    assert split["train"]
    order = [split[name] for name in ("train", "val", "test") if split[name]]
    for before, after in pairwise(order):
        assert max(int(samples[i].time) for i in before) < min(int(samples[i].time) for i in after)
    for group in {one.group for one in samples} - {None}:
        assert sum(any(samples[i].group == group for i in members) for members in split.values()) == 1
