from __future__ import annotations

import pytest
from pydantic import ValidationError

from graft.recipe.schema import Train
from graft.recipe.values import budget_seconds


@pytest.mark.parametrize(
    ("text", "seconds"), [("90s", 90), ("10m", 600), ("1h", 3600), ("1h30m", 5400), ("2h0m5s", 7205), ("120m", 7200)]
)
def test_budget_seconds(text: str, seconds: int) -> None:
    assert budget_seconds(text) == seconds
    assert Train(budget=text).budget == text


@pytest.mark.parametrize("text", ["", "10", "10x", "0s", "0h0m", "30m1h", "1.5h", "-10m", "10 m", "h", "10min"])
def test_budget_seconds__no_length_of_time(text: str) -> None:
    with pytest.raises(ValueError, match=r"is no length of time; write it as in 90s, 10m or 1h30m"):
        budget_seconds(text)
    with pytest.raises(ValidationError):
        Train(budget=text)
