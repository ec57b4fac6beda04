"""Dead leaves: repeatable, varied images."""

from __future__ import annotations

import numpy as np

from graft.data.generate import dead_leaves


def test_dead_leaves__each_image_is_a_function_of_seed_size_and_index() -> None:
    few, more = dead_leaves(2, size=32, seed=3), dead_leaves(4, size=32, seed=3)
    assert few.shape == (2, 32, 32, 3)
    assert few.dtype == np.uint8
    assert np.array_equal(few, more[:2])
    assert not np.array_equal(few, dead_leaves(2, size=32, seed=4))


def test_dead_leaves__no_two_are_alike_and_none_is_empty() -> None:
    images = dead_leaves(40, size=32)
    assert len({image.tobytes() for image in images}) == 40
    assert images.std(axis=(1, 2)).min() > 5
    assert 90 < images.mean() < 165


def test_dead_leaves__global_random_state_is_left_alone() -> None:
    np.random.seed(0)
    before = np.random.get_state()[1].copy()
    dead_leaves(1, size=16)
    assert np.array_equal(before, np.random.get_state()[1])
