from __future__ import annotations

from typing import Any

import pytest

from graft.report.verdict import verdict


def results(value: float | None, low: float | None = None, high: float | None = None, guess: float | None = 0.5) -> Any:
    baseline = {"test": {"recall_at_1": {"value": guess}}} if guess is not None else {}
    return {
        "metrics": {"test": {"recall_at_1": {"value": value, "low": low, "high": high}}},
        "baseline": baseline,
        "monitor": "recall_at_1",
    }


@pytest.mark.parametrize(
    ("values", "tone", "says"),
    [
        (results(0.8, 0.7, 0.9), "good", "so is the whole interval"),
        (results(0.8, 0.4, 0.9), "unsure", "reaches down to it"),
        (results(0.8), "unsure", "no interval"),
        (results(0.5, 0.4, 0.6), "bad", "no better"),
        (results(0.8, 0.7, 0.9, guess=None), "none", "no baseline"),
        (results(1.0, 1.0, 1.0), "good", "error rate of 15% would still fit"),
        (results(None), "none", ""),
        ({}, "none", "no test and no validation images"),
        ({"metrics": {"test": {}}, "monitor": None}, "none", "no test"),
    ],
)
def test_verdict__tone_and_reason(values: Any, tone: str, says: str) -> None:
    found = verdict(values, images={"test": 20})
    assert found.tone == tone
    assert says in found.judgement


def test_verdict__headline() -> None:
    found = verdict(results(0.8125, 0.7, 0.9), images={"test": 20})
    assert found.headline == "On 20 test images: recall at 1 0.812 (95 % interval 0.700 to 0.900)"


def test_verdict__validation_has_a_caveat() -> None:
    values = results(0.8)
    values = {**values, "metrics": {"val": values["metrics"]["test"]}, "baseline": {"val": values["baseline"]["test"]}}
    found = verdict(values, images={"val": 7})
    assert "On 7 validation images" in found.headline
    assert "chose the epoch" in found.judgement
