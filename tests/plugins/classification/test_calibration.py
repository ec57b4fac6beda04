from __future__ import annotations

import numpy as np
import pytest
from sklearn.calibration import calibration_curve

from graft_classification.calibration import calibrate


def test_calibrate__bins_as_sklearn() -> None:
    generator = np.random.default_rng(0)
    scores = generator.random(500).astype(np.float32)
    happened = generator.random(500) < scores**2
    bins = calibrate(scores, happened)
    kept, promised = calibration_curve(happened, scores, n_bins=10)
    there = bins.counts > 0
    np.testing.assert_allclose(bins.kept[there], kept, atol=1e-6)
    np.testing.assert_allclose(bins.promised[there], promised, atol=1e-6)


def test_calibrate__error_weighs_bins_by_their_size() -> None:
    scores = np.array([0.95, 0.95, 0.95, 0.25], dtype=np.float32)
    bins = calibrate(scores, np.array([True, True, False, False]))
    assert bins.error == pytest.approx((3 * abs(0.95 - 2 / 3) + 0.25) / 4)
    assert bins.counts.sum() == 4


def test_calibrate__scores_of_zero_and_one() -> None:
    bins = calibrate(np.array([0, 1], dtype=np.float32), np.array([False, True]))
    assert bins.error == 0
    assert (bins.counts[0], bins.counts[-1]) == (1, 1)
