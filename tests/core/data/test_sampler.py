from __future__ import annotations

import math
from collections import Counter

import numpy as np
import pytest

from graft.data.sampler import EpochSampler, draw_seed


def test_sampler__every_sample_once_in_an_order_of_seed_and_epoch():
    def order(seed, epoch, shuffle=True):
        sampler = EpochSampler(50, seed=seed, shuffle=shuffle)
        sampler.set_epoch(epoch)
        keys = list(sampler)
        assert Counter(index for _, index, _ in keys) == Counter(range(50))
        assert {(number, repetition) for number, _, repetition in keys} == {(epoch, 0)}
        return [index for _, index, _ in keys]

    assert order(0, 0) == order(0, 0)
    assert len({tuple(order(seed, epoch)) for seed in (0, 1) for epoch in (0, 1)}) == 4
    assert order(0, 3, shuffle=False) == list(range(50))


def test_sampler__a_pass_that_has_started_keeps_its_epoch():
    sampler = EpochSampler(3, seed=0, shuffle=False)
    keys = iter(sampler)
    sampler.set_epoch(1)
    assert list(keys) == [(0, 0, 0), (0, 1, 0), (0, 2, 0)]
    assert len(sampler) == 3


def test_sampler__without_repeats_the_order_is_numpys():
    # Runs that were made before samples could be repeated can be resumed and repeated.
    sampler = EpochSampler(20, seed=3, shuffle=True)
    sampler.set_epoch(5)
    assert [index for _, index, _ in sampler] == np.random.default_rng([3, 5]).permutation(20).tolist()


def repeated(repeats, epoch=0, *, seed=0, shuffle=True):
    sampler = EpochSampler(len(repeats), seed=seed, shuffle=shuffle, repeats=np.asarray(repeats, np.float64))
    sampler.set_epoch(epoch)
    keys = list(sampler)
    assert len(keys) == len(sampler)
    return keys


def test_sampler__samples_come_as_often_as_asked():
    repeats = [0.4] * 9 + [2.0] * 3 + [3.3] * 4
    came = np.zeros(len(repeats))
    for epoch in range(400):
        times = Counter(index for _, index, _ in repeated(repeats, epoch))
        came += [times[index] for index in range(len(repeats))]
        assert sum(times.values()) == round(sum(repeats))
        assert all(math.floor(one) <= times[index] <= math.ceil(one) for index, one in enumerate(repeats))
    # The sum, 22.8, is rounded to 23; what is whole already takes no part in that.
    np.testing.assert_allclose(came / 400, repeats, atol=0.1)


def test_sampler__each_repetition_has_its_number():
    keys = repeated([3.0, 1.0, 2.5, 0.5])
    assert len(set(keys)) == len(keys) == 7
    for index in range(4):
        numbers = sorted(repetition for _, one, repetition in keys if one == index)
        assert numbers == list(range(len(numbers)))
    assert repeated([2.0, 1.0], shuffle=False) == [(0, 0, 0), (0, 0, 1), (0, 1, 0)]


def test_sampler__repeats_are_a_function_of_seed_and_epoch():
    repeats = np.linspace(0.2, 2.2, 40)
    assert repeated(repeats, 1, seed=2) == repeated(repeats, 1, seed=2)
    orders = [[key[1:] for key in repeated(repeats, epoch, seed=seed)] for seed in (0, 1) for epoch in (0, 1)]
    assert len({tuple(order) for order in orders}) == 4
    assert len({tuple(sorted(order)) for order in orders}) > 1, "not only the order, also who is left out"


def test_sampler__repeats_are_shuffled():
    keys = repeated([4.0] * 10)
    assert [index for _, index, _ in keys] != sorted(index for _, index, _ in keys)


def test_sampler__repeats_must_fit():
    with pytest.raises(ValueError, match="3 samples, but 2 repeats"):
        EpochSampler(3, seed=0, shuffle=True, repeats=np.ones(2))


def test_draw_seed__differs_in_each_part():
    seeds = {draw_seed(*parts) for parts in [(0, 1, "a"), (1, 0, "a"), (0, 1, "b"), (0, 11, "a"), (0, 1, "1/a")]}
    assert len(seeds) == 5
    assert all(0 <= seed < 2**64 for seed in seeds)
    assert draw_seed(0, 0, "\udcff.png") == draw_seed(0, 0, "\udcff.png")


def test_draw_seed__a_first_time_is_what_it_was_before_there_were_repetitions():
    assert draw_seed(3, 5, "cat/1.png", 0) == draw_seed(3, 5, "cat/1.png") == 11325479532785457781
    others = {draw_seed(3, 5, "cat/1.png", repetition) for repetition in range(5)}
    assert len(others | {draw_seed(31, 5, "cat/1.png"), draw_seed(3, 51, "cat/1.png")}) == 7


# Sequences.
