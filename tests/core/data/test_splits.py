from __future__ import annotations

import random
from dataclasses import replace

import pytest

from graft.data.splits import divide, lacking
from graft.errors import DataError
from graft.recipe.schema import Split


def words(samples):
    return [sample.target[0] for sample in samples]


def split_of(samples, *, digests=None, **options):
    return divide(samples, words(samples), Split(**options), digests=digests or {})


def by_id(samples, division):
    return {samples[index].id: name for name, indices in division.split.items() for index in indices}


@pytest.mark.parametrize("by", ["random", "stratified", "group", "given"])
def test_divide__every_sample_is_in_one_split(labelled, by):
    samples = [
        replace(sample, group=str(number % 17), split=("train", "val", "test")[number % 3])
        for number, sample in enumerate(labelled(a=50, b=30, c=20))
    ]
    division = split_of(samples, by=by)
    assert sorted(index for indices in division.split.values() for index in indices) == list(range(100))
    assert list(division.split) == ["train", "val", "test"]


@pytest.mark.parametrize("by", ["random", "stratified", "group"])
def test_divide__does_not_depend_on_the_order_of_files(labelled, by):
    samples = [replace(s, group=str(n % 23)) for n, s in enumerate(labelled(a=40, b=31, c=20))]
    shuffled = random.Random(1).sample(samples, len(samples))
    assert by_id(samples, split_of(samples, by=by)) == by_id(shuffled, split_of(shuffled, by=by))


@pytest.mark.parametrize("by", ["random", "stratified", "group"])
def test_divide__seed(labelled, by):
    samples = [replace(s, group=str(n // 2)) for n, s in enumerate(labelled(a=40, b=31, c=20))]
    one, same, other = (by_id(samples, split_of(samples, by=by, seed=seed)) for seed in (1, 1, 2))
    assert one == same != other


def test_divide__stratified_keeps_shares(labelled, count):
    samples = labelled(a=200, b=100, c=20)
    division = split_of(samples, by="stratified", val=0.15, test=0.2)
    counts = count(samples, division.split)
    assert counts["val"] == {"a": 30, "b": 15, "c": 3}
    assert counts["test"] == {"a": 40, "b": 20, "c": 4}
    assert "stratified, 15% val, 20% test, seed 0" in division.by
    assert division.notes == ()


def test_divide__totals_come_out_with_many_small_classes(labelled):
    samples = labelled(**{f"c{number:03}": 2 for number in range(100)})
    division = split_of(samples, by="stratified", val=0.15, test=0.15)
    sizes = {name: len(indices) for name, indices in division.split.items()}
    assert sizes["train"] == pytest.approx(140, abs=2)
    assert sizes["val"] == pytest.approx(30, abs=2)
    assert sizes["test"] == pytest.approx(30, abs=2)


def test_divide__random_has_the_right_totals(labelled):
    samples = labelled(a=70, b=30)
    division = split_of(samples, by="random", val=0.1, test=0.2)
    assert [len(indices) for indices in division.split.values()] == [70, 10, 20]


@pytest.mark.parametrize("by", ["random", "stratified", "group"])
@pytest.mark.parametrize("seed", range(5))
def test_divide__every_class_is_in_train(labelled, count, by, seed):
    samples = [
        replace(sample, group=sample.id if sample.target == ("rare",) else str(number % 9))
        for number, sample in enumerate(labelled(a=40, b=3, pair=2, rare=1))
    ]
    counts = count(samples, split_of(samples, by=by, seed=seed, val=0.4, test=0.4).split)
    assert set(counts["train"]) == {"a", "b", "pair", "rare"}


def test_divide__a_class_of_one_image_goes_to_train(labelled):
    samples = labelled(a=40, b=40, rare=1)
    division = split_of(samples)
    assert by_id(samples, division)["rare/000.png"] == "train"


def test_lacking__is_by_what_images_show():
    shows = [{"car", "truck"}, {"car"}, {"truck", "car"}, {"bus"}, set()]
    split = {"train": [0, 3], "val": [1, 4], "test": [2]}
    assert lacking(split, shows) == [
        "val has no sample of bus, truck, and says nothing about them",
        "test has no sample of bus, and says nothing about them",
    ]
    assert lacking({"train": [1], "val": [], "test": [2]}, shows) == []


def test_divide__a_thousand_classes_of_one_image(labelled):
    samples = labelled(**{f"c{number}": 1 for number in range(1000)})
    division = split_of(samples)
    assert len(division.split["train"]) == 1000
    assert [note.split(":")[0] for note in division.notes] == ["val is empty", "test is empty"]


@pytest.mark.parametrize(("val", "test"), [(0, 0.2), (0.2, 0), (0, 0)])
def test_divide__a_share_of_nothing(labelled, val, test):
    division = split_of(labelled(a=50, b=50), val=val, test=test)
    assert [len(division.split[name]) for name in ("val", "test")] == [val * 100, test * 100]
    assert division.notes == ()


def test_divide__groups_stay_together(labelled):
    samples = [replace(s, group=f"patient {n % 20}") for n, s in enumerate(labelled(a=120, b=80))]
    division = split_of(samples)
    assert division.by.startswith("by group")
    homes = {}
    for name, indices in division.split.items():
        for index in indices:
            assert homes.setdefault(samples[index].group, name) == name
    assert len(division.split["val"]) == pytest.approx(30, abs=10)
    assert len(division.split["test"]) == pytest.approx(30, abs=10)


def test_divide__groups_are_stratified_as_well_as_they_allow(labelled, count):
    # 40 groups of one class each, as with tracks of traffic signs.
    samples = [replace(s, group=f"{s.target[0]}{n % 20}") for n, s in enumerate(labelled(a=100, b=100))]
    counts = count(samples, split_of(samples, val=0.2, test=0.2).split)
    assert counts["val"] == counts["test"] == {"a": 20, "b": 20}


def test_divide__samples_without_a_group_are_alone(labelled):
    samples = [replace(s, group="p" if n < 5 else None) for n, s in enumerate(labelled(a=50, b=50))]
    division = split_of(samples, by="group")
    assert len({by_id(samples, division)[s.id] for s in samples[:5]}) == 1
    assert len(division.split["val"]) == pytest.approx(15, abs=2)


@pytest.mark.parametrize(("groups", "filled"), [(3, ["train", "val", "test"]), (2, ["train", "test"])])
def test_divide__few_groups(labelled, groups, filled):
    samples = [replace(s, group=str(n % groups)) for n, s in enumerate(labelled(a=30, b=30))]
    division = split_of(samples)
    assert [name for name, indices in division.split.items() if indices] == filled
    assert any("val is empty" in note for note in division.notes) is (groups == 2)


def test_divide__equal_files_stay_together(labelled):
    samples = labelled(a=40, b=40)
    digests = {sample.id: f"digest {number // 4}" for number, sample in enumerate(samples)}
    homes = by_id(samples, split_of(samples, digests=digests))
    for number in range(0, 80, 4):
        assert len({homes[sample.id] for sample in samples[number : number + 4]}) == 1


def test_divide__equal_files_join_groups(labelled):
    samples = [replace(s, group=str(n)) for n, s in enumerate(labelled(a=20, b=20))]
    digests = {sample.id: str(number % 10) for number, sample in enumerate(samples)}
    homes = by_id(samples, split_of(samples, by="group", digests=digests))
    for number in range(10):
        assert len({homes[sample.id] for sample in samples[number::10]}) == 1


def given(samples, *names):
    return [replace(sample, split=names[number % len(names)]) for number, sample in enumerate(samples)]


def test_divide__given(labelled):
    samples = given(labelled(a=12, b=12), "train", "train", "val", "test")
    division = split_of(samples)
    assert division.by == "as given"
    assert by_id(samples, division) == {sample.id: sample.split for sample in samples}


def test_divide__given_without_val_takes_it_from_train(labelled, count):
    samples = given(labelled(a=80, b=80), "train", "test")
    division = split_of(samples, val=0.25)
    counts = count(samples, division.split)
    assert counts["test"] == {"a": 40, "b": 40}
    assert counts["val"] == {"a": 10, "b": 10}
    assert division.by.startswith("as given; val taken from train, stratified, 25% val")


def test_divide__given_without_val_keeps_groups_together(labelled):
    samples = [replace(s, group=str(n // 4)) for n, s in enumerate(given(labelled(a=80, b=80), "train", "test"))]
    division = split_of(samples)
    train, val = ({samples[i].group for i in division.split[name]} for name in ("train", "val"))
    assert not train & val
    assert "by group" in division.by


def test_divide__given_without_val_and_no_share_for_it(labelled):
    division = split_of(given(labelled(a=8, b=8), "train", "test"), val=0)
    assert division.by == "as given"
    assert division.split["val"] == []


def test_divide__a_given_split_can_be_overruled_and_that_is_said(labelled):
    samples = given(labelled(a=20, b=20), "train", "test")
    division = split_of(samples, by="stratified")
    assert len(division.split["val"]) == 6
    assert "overrules" in division.notes[0]


def test_divide__given_for_some_samples_alone(labelled):
    samples = given(labelled(a=4, b=4), "train", "test", "val", None)
    with pytest.raises(DataError, match=r"2 of 8 samples have no split, the first of them a/003.png"):
        split_of(samples)


@pytest.mark.parametrize(
    ("by", "names", "message"),
    [
        ("given", [None], "8 of 8 samples have no split"),
        ("given", ["val", "test"], "no sample for train"),
        ("group", [None], "no sample has a group"),
    ],
)
def test_divide__what_the_data_does_not_have(labelled, by, names, message):
    with pytest.raises(DataError, match=message) as caught:
        split_of(given(labelled(a=4, b=4), *names), by=by)
    assert caught.value.fix
