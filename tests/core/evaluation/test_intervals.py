from __future__ import annotations

import numpy as np
import pytest

from graft.evaluation import percentile_interval, resamples


def test_resamples__with_replacement_and_seeded() -> None:
    drawn = np.stack(list(resamples(50, count=20, seed=3)))
    assert drawn.shape == (20, 50)
    assert drawn.min() >= 0
    assert drawn.max() < 50
    assert all(len(set(row)) < 50 for row in drawn)
    assert np.array_equal(drawn, np.stack(list(resamples(50, count=20, seed=3))))


def test_resamples__groups_stay_whole() -> None:
    groups = ["b", "a", "b", "c", "a", "b"]
    for indices in resamples(6, count=30, seed=0, groups=groups):
        times = np.bincount(indices, minlength=6)
        assert times[0] == times[2] == times[5]
        assert times[1] == times[4]
        assert times[0] + times[1] + times[3] == 3


def test_percentile_interval__middle_95_percent() -> None:
    assert percentile_interval(np.arange(1001)) == pytest.approx((25, 975))
    assert percentile_interval(np.arange(1001), level=0.5) == pytest.approx((250, 750))


def test_percentile_interval__half_undefined() -> None:
    assert percentile_interval([1.0, 1.0, np.nan, np.nan]) == (1.0, 1.0)
    assert percentile_interval([1.0, np.nan, np.nan]) is None
    assert percentile_interval([]) is None
