"""How far training is, as a share in [0, 1): by steps, or by time where there is a budget."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from graft.engine._team import Team

_FIRST_STEP = 0.01
_BELOW_ONE = 1 - 1e-9


class Clock(Protocol):
    """What schedules are a function of."""

    def share(self, step: int) -> float:
        """Return how much of the training is done when `step` steps are finished."""

    def step(self) -> float:
        """Return the share of the training that one step is, about."""

    def over(self) -> bool:
        """Return whether training must end now, whatever epoch it is in."""

    def validated(self, seconds: float) -> None:
        """Be told how long a validation took."""


class StepClock:
    """Training of so many steps.

    Args:
        total: Steps of the whole training.
    """

    def __init__(self, total: int) -> None:
        self.total = total

    def share(self, step: int) -> float:
        """Return how much of the training is done when `step` steps are finished."""
        return step / self.total

    def step(self) -> float:
        """Return the share of the training that one step is."""
        return 1 / self.total

    def over(self) -> bool:
        """Return False: training ends with its last epoch."""
        return False

    def validated(self, seconds: float) -> None:
        """Do nothing."""


class TimeClock:
    """Training up to a point in time.

    Args:
        ends: When the last measurement shall be over, in seconds of `time.monotonic`.
        reserve: Seconds that one validation, and the measurement at the end, will take together.
        measured: The latter's share in validations: 2 when it takes twice as long as one.
        done: How much of the training was done before it was interrupted.
    """

    def __init__(self, *, ends: float, reserve: float, measured: float, done: float = 0.0) -> None:
        self.ends = ends
        self.reserve = reserve
        self.measured = measured
        self.done = done
        self._began = time.monotonic()
        self._steps = 0

    def share(self, step: int) -> float:
        """Return how much of the time is gone."""
        self._steps += 1
        allotted = max(self.ends - self.reserve - self._began, 1e-3)
        gone = (time.monotonic() - self._began) / allotted
        return min(self.done + (1 - self.done) * gone, _BELOW_ONE)

    def step(self) -> float:
        """Return the mean share of a step so far."""
        gone = time.monotonic() - self._began
        allotted = max(self.ends - self.reserve - self._began, 1e-3)
        return gone / allotted / self._steps if self._steps > 1 else _FIRST_STEP

    def over(self) -> bool:
        """Return whether the time is used up but for the measurements."""
        return time.monotonic() >= self.ends - self.reserve

    def validated(self, seconds: float) -> None:
        """Reserve what it takes in truth."""
        self.reserve = seconds * (1 + self.measured)


class SharedClock:
    """The leader's clock, for all processes of a team: each question is asked by all of them at once.

    Args:
        clock: The leader's own; None for the others.
        team: The processes.
    """

    def __init__(self, clock: Clock | None, team: Team) -> None:
        self._clock = clock
        self._team = team

    def share(self, step: int) -> float:
        """Return how much of the training is done when `step` steps are finished."""
        return self._team.shared(self._clock.share(step) if self._clock else 0.0)

    def step(self) -> float:
        """Return the share of the training that one step is, about."""
        return self._team.shared(self._clock.step() if self._clock else 0.0)

    def over(self) -> bool:
        """Return whether training must end now."""
        return self._team.shared(self._clock.over() if self._clock else False)

    def validated(self, seconds: float) -> None:
        """Be told how long a validation took."""
        if self._clock:
            self._clock.validated(seconds)
