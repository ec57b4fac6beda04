from __future__ import annotations

import pytest

from graft.engine import _clock
from graft.engine._clock import StepClock, TimeClock


class Now:
    """A clock that stands still until it is told."""

    def __init__(self) -> None:
        self.now = 100.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def now(monkeypatch: pytest.MonkeyPatch) -> Now:
    now = Now()
    monkeypatch.setattr(_clock, "time", now)
    return now


def test_step_clock__shares_are_of_steps() -> None:
    clock = StepClock(8)
    assert [clock.share(step) for step in (0, 4, 7)] == [0, 0.5, 0.875]
    assert clock.step() == 0.125
    assert not clock.over()


def test_time_clock__shares_are_of_the_time_that_is_left_for_training(now: Now) -> None:
    clock = TimeClock(ends=160, reserve=20, measured=1)
    assert clock.share(0) == 0
    now.now = 120
    assert clock.share(1) == pytest.approx(0.5)
    assert not clock.over()
    now.now = 140
    assert clock.over()
    assert clock.share(2) < 1, "a schedule is defined below 1"


def test_time_clock__reserves_what_measuring_took(now: Now) -> None:
    clock = TimeClock(ends=160, reserve=0, measured=2)
    now.now = 129
    assert not clock.over()
    clock.validated(10)
    now.now = 130
    assert clock.over(), "10 s of validation, and twice as long for the measurement at the end"


def test_time_clock__goes_on_where_it_was_interrupted(now: Now) -> None:
    clock = TimeClock(ends=140, reserve=0, measured=1, done=0.6)
    assert clock.share(9) == pytest.approx(0.6)
    now.now = 120
    assert clock.share(10) == pytest.approx(0.8)


def test_time_clock__knows_how_long_a_step_is(now: Now) -> None:
    clock = TimeClock(ends=200, reserve=0, measured=1)
    for second in range(5):
        now.now = 100 + second
        clock.share(second)
    now.now = 105
    assert clock.step() == pytest.approx(0.01)


def test_time_clock__without_time_is_over_at_once(now: Now) -> None:
    clock = TimeClock(ends=90, reserve=0, measured=1)
    assert clock.over()
    assert 0 <= clock.share(0) < 1
