from __future__ import annotations

from collections import Counter

import numpy as np
import pytest

from graft.data.sampler import EpochSampler
from graft.strategies.sampling import expected_repeats

STRATA = ["cat"] * 60 + ["dog"] * 30 + ["owl"] * 10


def by_stratum(repeats, strata=STRATA):
    """Return the one value that all samples of a stratum have."""
    values = {name: {float(r) for r, one in zip(repeats, strata, strict=True) if one == name} for name in strata}
    assert all(len(one) == 1 for one in values.values())
    return {name: one.pop() for name, one in values.items()}


def test_natural__is_left_alone():
    assert expected_repeats(STRATA, "natural") is None


def test_balanced__every_stratum_as_often_as_any_other():
    repeats = expected_repeats(STRATA, "balanced")
    assert by_stratum(repeats) == pytest.approx({"cat": 100 / 180, "dog": 100 / 90, "owl": 100 / 30})
    assert repeats.sum() == pytest.approx(100)


def test_repeat_factor__as_the_paper_with_the_even_share_as_threshold():
    repeats = by_stratum(expected_repeats(STRATA, "repeat-factor"))
    shares = {name: count / 100 for name, count in Counter(STRATA).items()}
    assert repeats == pytest.approx({name: max(1, (1 / 3 / share) ** 0.5) for name, share in shares.items()})
    assert repeats["cat"] == 1 < repeats["dog"] < repeats["owl"]


@pytest.mark.parametrize("sampling", ["balanced", "repeat-factor"])
def test_even_strata__come_once(sampling):
    assert expected_repeats(["a", "b", "c"] * 7, sampling).tolist() == [1.0] * 21


@pytest.mark.parametrize("sampling", ["balanced", "repeat-factor"])
def test_one_stratum__comes_once(sampling):
    assert expected_repeats([""] * 5, sampling).tolist() == [1.0] * 5


@pytest.mark.parametrize("sampling", ["balanced", "repeat-factor"])
def test_order_of_samples__does_not_matter(sampling):
    order = np.random.default_rng(0).permutation(100)
    shuffled = [STRATA[index] for index in order]
    np.testing.assert_array_equal(expected_repeats(shuffled, sampling), expected_repeats(STRATA, sampling)[order])


@pytest.mark.parametrize(
    ("sampling", "seen"),
    [
        ("natural", {"cat": 60, "dog": 30, "owl": 10}),
        ("balanced", {"cat": 33.3, "dog": 33.3, "owl": 33.3}),
        ("repeat-factor", {"cat": 60, "dog": 31.6, "owl": 18.3}),
    ],
)
def test_epochs__show_what_was_asked_for(sampling, seen):
    sampler = EpochSampler(100, seed=0, shuffle=True, repeats=expected_repeats(STRATA, sampling))
    for epoch in range(5):
        sampler.set_epoch(epoch)
        counts = Counter(STRATA[index] for _, index, _ in sampler)
        assert counts == pytest.approx(seen, abs=1)
