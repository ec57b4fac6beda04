from __future__ import annotations

import numpy as np
import pytest

from graft.errors import UserError
from graft.evaluation.metrics import Value
from graft.features.candidates import Candidate
from graft.features.choice import Limits, by_parameters, by_top1, choose, limits_of
from graft.features.costs import Costs
from graft.features.probe import Probe
from graft.features.rank import Ranked, Scores
from graft.recipe.schema import Backbone


def row(name: str, accuracy: Value, *, parameters: int, latency: float = 0.01, top1: float | None = None) -> Ranked:
    nothing = np.zeros((0, 2))
    return Ranked(
        candidate=Candidate(name, Backbone(kind=name)),
        size=(32, 32),
        dimensions=8,
        licence=None,
        top1=top1,
        costs=Costs(parameters=parameters, flops=1, latency=latency, memory=1),
        scores=Scores(logme=0, leep=None, nleep=0, hscore=0),
        probe=Probe(
            kind="linear",
            folds=5,
            accuracy=accuracy,
            balanced_accuracy=accuracy,
            probabilities=nothing,
            predicted=np.zeros(0, np.int64),
        ),
    )


LARGE = row("large", Value(0.9, 0.87, 0.93), parameters=20_000_000, latency=0.05, top1=0.7)
MIDDLE = row("middle", Value(0.88, 0.85, 0.91), parameters=5_000_000, latency=0.01, top1=0.8)
SMALL = row("small", Value(0.7, 0.65, 0.75), parameters=300_000, latency=0.02)
ROWS = (LARGE, MIDDLE, SMALL)


@pytest.mark.parametrize(
    ("latency", "parameters", "limits"),
    [
        ("20ms", "10M", Limits(0.02, 10_000_000)),
        ("0.5 s", "500k", Limits(0.5, 500_000)),
        ("800us", "1.5B", Limits(0.0008, 1_500_000_000)),
        (None, "2000000", Limits(None, 2_000_000)),
        (None, None, Limits()),
    ],
)
def test_limits_of__as_they_are_typed(latency: str | None, parameters: str | None, limits: Limits) -> None:
    found = limits_of(latency, parameters)
    assert found.latency == pytest.approx(limits.latency)
    assert found.parameters == limits.parameters
    assert bool(found) == (latency is not None or parameters is not None)


@pytest.mark.parametrize(("latency", "parameters"), [("20", "ten"), ("0ms", "0"), ("-1ms", "-5M"), ("ms", "M")])
def test_limits_of__all_mistakes_at_once(latency: str, parameters: str) -> None:
    with pytest.raises(UserError) as caught:
        limits_of(latency, parameters)
    assert [problem.where for problem in caught.value.problems] == ["--max-latency", "--max-params"]


def test_limits__which_are_broken() -> None:
    limits = Limits(0.02, 10_000_000)
    assert limits.broken_by(LARGE) == "too slow and too large"
    assert limits.broken_by(MIDDLE) == ""
    assert limits.broken_by(SMALL) == "", "20 ms is not more than 20 ms"


def test_choose__the_best_probe_and_whether_it_may_be_chance() -> None:
    best, text = choose(ROWS, Limits())
    assert best is LARGE
    assert text == (
        "large is best: its probe reaches 0.900 (0.870 … 0.930); next is middle with 0.880 (0.850 … 0.910), and their "
        "intervals overlap: which is better may be chance. Who never looked at the images would take middle by the "
        "accuracy published for ImageNet."
    )


def test_choose__within_limits() -> None:
    best, text = choose(ROWS, Limits(parameters=10_000_000))
    assert best is MIDDLE
    assert text.startswith("middle is best within the limits: its probe reaches 0.880")
    assert text.endswith("next is small with 0.700 (0.650 … 0.750), and their intervals do not overlap.")
    best, text = choose(ROWS, Limits(latency=0.015))
    assert best is MIDDLE
    assert text.endswith("; no other keeps them.")


def test_choose__nothing_within_limits() -> None:
    best, text = choose(ROWS, Limits(0.001, 1000))
    assert best is None
    assert text == (
        "No candidate is within the limits: the fastest is middle with 10.0 ms, the smallest small with 0.3 million "
        "parameters."
    )


def test_choose__who_looks_at_size_alone() -> None:
    _, text = choose((MIDDLE, LARGE), Limits())
    assert text.endswith("Who never looked at the images would take large by the number of parameters.")
    best, text = choose((SMALL,), Limits())
    assert best is SMALL
    assert text == "small is best: its probe reaches 0.700 (0.650 … 0.750)."


def test_static__orders() -> None:
    assert by_parameters((SMALL, LARGE, MIDDLE)) == [LARGE, MIDDLE, SMALL]
    assert by_top1(ROWS) == [MIDDLE, LARGE]


def test_choose__without_intervals() -> None:
    bare = row("bare", Value(0.9), parameters=1)
    assert "bare with 0.900, and their intervals overlap" in choose((LARGE, bare), Limits())[1]
