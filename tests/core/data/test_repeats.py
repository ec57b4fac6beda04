from __future__ import annotations

import numpy as np
import pytest

from graft.data.repeats import whole_repeats


def epochs(expected, number):
    return np.stack([whole_repeats(np.asarray(expected, np.float64), np.random.default_rng(n)) for n in range(number)])


@pytest.mark.parametrize(
    "expected",
    [
        [0.2, 0.2, 0.2],
        [1.0, 1.0, 1.0],
        [0.6],
        [0.5],
        [1.5],
        [0.9, 0.7],
        [0.9, 1e-6],
        [2.0, 3.0, 0.99, 0.99, 0.99],
        [7 / 3] * 3 + [7 / 12] * 12,
        np.linspace(0.1, 4, 50),
    ],
)
def test_whole__rounded_down_or_up_with_a_constant_sum(expected):
    drawn = epochs(expected, 200)
    assert (drawn >= np.floor(expected)).all()
    assert (drawn <= np.ceil(expected)).all()
    assert set(drawn.sum(axis=1)) == {round(np.sum(expected))}


def test_whole__right_on_average():
    expected = np.array([0.25] * 6 + [1.5] * 3 + [2.0])  # the sum is whole
    np.testing.assert_allclose(epochs(expected, 2000).mean(axis=0), expected, atol=0.04)


def test_whole__a_stratum_is_rounded_as_a_whole():
    # Two kinds, unequally frequent and mixed up; in every epoch of 30 each has half of the samples.
    rare = np.random.default_rng(0).permutation(30) < 7
    drawn = epochs(np.where(rare, 30 / 14, 30 / 46), 100)
    assert set(drawn[:, rare].sum(axis=1)) == {15}
    assert len({tuple(row) for row in drawn}) == 100, "but not always the same samples"


def test_whole__the_company_changes():
    drawn = epochs([0.5] * 4, 100)
    assert len({tuple(row) for row in drawn}) == 6, "every two of four"


def test_whole__of_none_none():
    assert whole_repeats(np.zeros(0), np.random.default_rng(0)).tolist() == []
