from __future__ import annotations

import math

import pytest

from graft.report.lr_figure import range_test
from graft.strategies.lr_range import rising, smoothed, suggestions

FALL = [2.0] * 40 + [2.0 - 0.04 * step for step in range(40)]


@pytest.mark.parametrize("end", [[], [1.0, 10.0, 1e9], [1.0, 10.0, math.nan]])
def test_range_test__suggestions_lie_on_the_curve_whatever_its_end(end: list[float]) -> None:
    losses = FALL + end
    rates = rising(100)[: len(losses)]
    means = smoothed(losses)
    found = suggestions(rates, losses, steps=100)
    drawn = range_test(rates, losses, means, found)
    (axes,) = drawn.figure.axes
    assert axes.get_xscale() == "log"
    marked = {line.get_label(): line.get_xydata() for line in axes.get_lines() if str(line.get_label())[0] != "_"}
    low, high = axes.get_ylim()
    assert high < 4, "what explodes in the end does not flatten the rest"
    for name, rate in found.items():
        (point,) = marked[f"{name}: {rate:.1e}"]
        assert tuple(point) == (rate, means[rates.index(rate)])
        assert low < point[1] < high
        assert f"{name} suggests {rate:.1e}" in drawn.alt


@pytest.mark.parametrize("losses", [[math.nan], [1.0], [1.0, 2.0], [1.0, 1.0, math.inf]])
def test_range_test__nothing_to_suggest(losses: list[float]) -> None:
    drawn = range_test(rising(100)[: len(losses)], losses, smoothed(losses), {})
    drawn.figure.draw_without_rendering()
    assert "no suggestion" in drawn.alt
