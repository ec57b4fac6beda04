"""Patterns: the classes of the labelled sample."""

from __future__ import annotations

import numpy as np
import pytest

from graft.data.generate.patterns import PATTERNS


@pytest.mark.parametrize("name", PATTERNS)
def test_patterns__varied_fields_in_range(name: str) -> None:
    for seed in range(5):
        field = PATTERNS[name](np.random.default_rng(seed), 48, 1.3)
        assert field.shape == (48, 48)
        assert field.min() >= -1.01
        assert field.max() <= 1.01
        assert field.std() > 0.15
    again = PATTERNS[name](np.random.default_rng(4), 48, 1.3)
    assert np.array_equal(field, again)


@pytest.mark.parametrize("name", PATTERNS)
def test_patterns__finer_means_more_edges(name: str) -> None:
    def edges(fine: float) -> float:
        fields = [PATTERNS[name](np.random.default_rng(seed), 64, fine) for seed in range(20)]
        return float(np.mean([np.abs(np.diff(field, axis=1)).mean() for field in fields]))

    assert edges(2.0) > 1.2 * edges(1.0)
