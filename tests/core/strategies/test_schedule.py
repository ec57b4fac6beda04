from __future__ import annotations

from typing import get_args

import pytest

from graft.recipe.schema import Pace
from graft.strategies.schedule import SCHEDULES, factor


def test_schedules__are_those_that_recipes_may_name() -> None:
    assert set(SCHEDULES) == set(get_args(Pace.model_fields["schedule"].annotation))


@pytest.mark.parametrize(
    ("schedule", "expected"),
    [
        ("constant", [0.5, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0]),
        ("cosine", [0.5, 1.0, 1.0, 0.9619398, 0.8535534, 0.6913417, 0.5, 0.3086583, 0.1464466, 0.0380602]),
    ],
)
def test_factor__each_step_as_in_the_table(schedule: str, expected: list[float]) -> None:
    pace = Pace(schedule=schedule, warmup=0.2)
    assert [factor(pace, step, 10) for step in range(10)] == pytest.approx(expected, abs=1e-6)


def test_factor__without_warm_up_begins_whole() -> None:
    assert factor(Pace(warmup=0.0), 0, 5) == 1.0


def test_factor__a_single_step() -> None:
    assert factor(Pace(warmup=0.9), 0, 1) == 1.0
