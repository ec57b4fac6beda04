from __future__ import annotations

from graft.data.duplicates import find_duplicates, without_leaks

SPLIT = {"train": [0, 1, 3], "val": [2], "test": [4]}


def test_find_duplicates__those_across_splits_first(labelled):
    samples = labelled(a=3, b=2)
    digests = {sample.id: digest for sample, digest in zip(samples, "xxyzy", strict=True)}
    across, within = find_duplicates(samples, SPLIT, digests)
    assert (across.digest, across.ids, across.splits) == ("y", ("a/002.png", "b/001.png"), ("val", "test"))
    assert (within.ids, within.splits) == (("a/000.png", "a/001.png"), ("train", "train"))
    assert [same.leaks for same in (across, within)] == [True, False]
    assert [same.conflict for same in (across, within)] == [True, False]


def test_find_duplicates__none(labelled):
    samples = labelled(a=3, b=2)
    assert find_duplicates(samples, SPLIT, {sample.id: sample.id for sample in samples}) == ()


def test_without_leaks__keeps_test_then_val(labelled):
    samples = labelled(a=6)
    split = {"train": [0, 1, 2], "val": [3, 4], "test": [5]}
    digests = dict(zip((sample.id for sample in samples), "xyzxyx", strict=True))
    leaks = [same for same in find_duplicates(samples, split, digests) if same.leaks]
    kept, gone = without_leaks(samples, split, leaks)
    assert kept == {"train": [2], "val": [4], "test": [5]}
    assert gone == ["a/000.png", "a/001.png", "a/003.png"]
