from __future__ import annotations

import math

import numpy as np
import pytest

from graft.strategies.lr_range import diverges, rising, smoothed, steep, suggestions, valley


def test_rising__from_the_lowest_to_the_highest_by_one_factor() -> None:
    rates = rising(81)
    assert (rates[0], rates[-1]) == pytest.approx((1e-7, 10))
    assert np.diff(np.log10(rates)) == pytest.approx(np.full(80, 0.1))


def test_smoothed__the_first_is_the_loss_itself_and_the_past_weighs_most() -> None:
    assert smoothed([3.0, 3.0, 3.0]) == pytest.approx([3, 3, 3])
    first, second = smoothed([1.0, 2.0])
    assert (first, second) == pytest.approx((1, (0.98 * 1 + 2) / 1.98))


@pytest.mark.parametrize(
    ("losses", "expected"),
    [
        # What fastai 2.8's `valley` gives for these, rates counted from 0.
        ([5, 4, 3, 2, 1, 9, 9, 9], 0),
        ([9, 9, 9, 8, 7, 6, 5, 4, 3, 2, 9], 4),
        ([9, 8, 9, 7, 9, 6, 9, 5, 9, 4, 9, 3, 9], 7),
        ([1, 2, 9, 8, 7, 6, 5, 4, 3, 9], 4),
    ],
)
def test_valley__middle_of_the_longest_fall(losses: list[float], expected: int) -> None:
    assert valley(range(len(losses)), losses) == expected


@pytest.mark.parametrize("losses", [[1.0], [1.0, 2.0], [2.0, 1.0]])
def test_valley__few_losses(losses: list[float]) -> None:
    assert valley(range(len(losses)), losses) in range(len(losses))


def test_steep__over_the_logarithm_of_the_rate() -> None:
    # Between 2 and 3 the loss falls by the same as between 1 and 2, but over fewer powers of ten.
    assert steep([1.0, 2.0, 3.0, 30.0], [9.0, 8.0, 7.0, 5.0]) == 2.0


def test_diverges__four_times_the_lowest_smoothed_loss() -> None:
    fallen = [1.0] * 60
    assert not diverges(fallen, steps=100)
    assert not diverges([*fallen, 100.0], steps=100), "one loss, of which the mean is still below four"
    assert diverges([*fallen, 200.0], steps=100)
    assert not diverges([-1.0] * 60, steps=100)
    assert diverges([*([-1.0] * 60), 300.0], steps=100)


def test_diverges__not_by_the_chance_of_the_first_steps() -> None:
    assert not diverges([0.1, 5.0, 5.0], steps=100)
    assert not diverges([0.1, *([5.0] * 20)], steps=100)
    assert diverges([math.nan], steps=100)


@pytest.mark.parametrize("end", [[math.nan], [math.inf], [1e9], []])
def test_suggestions__amid_the_fall_however_it_ends(end: list[float]) -> None:
    falls, stops = 50, 80
    losses = [2.0] * falls + list(np.linspace(2.0, 0.5, stops - falls)) + [0.6, 1, 3, 8, 20] + end
    rates = rising(100)[: len(losses)]
    found = suggestions(rates, losses, steps=100)
    assert list(found) == ["valley", "steep"]
    for rate in found.values():
        assert rates[falls] < rate < rates[stops]


def test_suggestions__none_where_nothing_falls_or_it_ends_at_once() -> None:
    rates = rising(100)
    assert suggestions(rates, [1.0 + 0.01 * step for step in range(100)], steps=100) == {}
    assert suggestions(rates, [1.0] * 100, steps=100) == {}
    assert suggestions(rates[:1], [math.nan], steps=100) == {}
    assert suggestions(rates[:14], [2.0 - 0.1 * step for step in range(14)], steps=100) == {}
