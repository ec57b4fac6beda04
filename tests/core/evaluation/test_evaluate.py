from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from graft.errors import PluginError
from graft.evaluation import Metric, Value, evaluate


class Mean(Metric):
    """The mean of predictions minus targets, and how many samples there were."""

    def rows(self, predictions: Sequence[Any], targets: Sequence[Any]) -> NDArray[Any]:
        return np.array(predictions, dtype=np.float64) - np.array(targets)

    def compute(self, rows: NDArray[Any]) -> dict[str, float]:
        return {"mean": float(rows.mean()), "n": float(len(rows))}


class Largest(Mean):
    """Defined only where the one large value was drawn."""

    def compute(self, rows: NDArray[Any]) -> dict[str, float]:
        return {"largest": float(rows.max()) if rows.max() > 5 else np.nan}


class Boxes(Mean):
    """Rows of different shapes."""

    def rows(self, predictions: Sequence[Any], targets: Sequence[Any]) -> NDArray[Any]:
        rows = np.empty(len(predictions), dtype=object)
        rows[:] = [np.zeros((index, 4)) for index in range(len(predictions))]
        return rows

    def compute(self, rows: NDArray[Any]) -> dict[str, float]:
        return {"boxes": float(sum(len(row) for row in rows))}


def metric(kind: type[Metric] = Mean) -> Metric:
    return kind(classes=("a",), options=None)


def test_evaluate__interval_of_a_mean_is_the_textbooks() -> None:
    generator = np.random.default_rng(0)
    predictions = generator.normal(3.0, 2.0, size=400)
    value = evaluate([metric()], predictions, np.zeros(400), bootstrap=2000, seed=1)["mean"]
    error = predictions.std() / 20
    assert value.value == pytest.approx(predictions.mean())
    assert value.low == pytest.approx(value.value - 1.96 * error, abs=0.15 * error)
    assert value.high == pytest.approx(value.value + 1.96 * error, abs=0.15 * error)


def test_evaluate__same_seed_same_interval() -> None:
    predictions = np.random.default_rng(0).normal(size=50)
    once, again, other = (
        evaluate([metric()], predictions, np.zeros(50), bootstrap=100, seed=seed)["mean"] for seed in (1, 1, 2)
    )
    assert once == again
    assert once != other


def test_evaluate__metrics_share_resamples() -> None:
    class Negative(Mean):
        def compute(self, rows: NDArray[Any]) -> dict[str, float]:
            return {"negative": -float(rows.mean())}

    predictions = np.random.default_rng(0).normal(size=40)
    values = evaluate([metric(), metric(Negative)], predictions, np.zeros(40), bootstrap=200, seed=0)
    assert values["negative"].low == pytest.approx(-values["mean"].high)


def test_evaluate__groups_are_drawn_whole_and_widen_the_interval() -> None:
    generator = np.random.default_rng(0)
    groups = [f"patient {index // 20}" for index in range(200)]
    predictions = np.repeat(generator.normal(size=10), 20)
    single = evaluate([metric()], predictions, np.zeros(200), bootstrap=500, seed=0)["mean"]
    grouped = evaluate([metric()], predictions, np.zeros(200), bootstrap=500, seed=0, groups=groups)["mean"]
    assert grouped.value == single.value
    assert grouped.high - grouped.low > 3 * (single.high - single.low)


def test_evaluate__no_bootstrap_no_interval() -> None:
    assert evaluate([metric()], [1.0, 3.0], [0, 0], bootstrap=0, seed=0)["mean"] == Value(2.0)


@pytest.mark.parametrize(("n", "groups"), [(1, None), (4, None), (8, ["only"] * 8), (8, list("aabbccdd"))])
def test_evaluate__too_few_to_resample(n: int, groups: list[str] | None) -> None:
    value = evaluate([metric()], list(range(n)), [0] * n, bootstrap=50, seed=0, groups=groups)["mean"]
    assert (value.low, value.high) == (None, None)


@pytest.mark.parametrize(("n", "groups"), [(5, None), (8, list("aabbccde"))])
def test_evaluate__just_enough_to_resample(n: int, groups: list[str] | None) -> None:
    value = evaluate([metric()], list(range(n)), [0] * n, bootstrap=50, seed=0, groups=groups)["mean"]
    assert value.low < value.value < value.high


def test_evaluate__mostly_undefined_has_no_interval() -> None:
    """One of ten is drawn in 65 % of the resamples; three of five are drawn together in 24 %."""
    rare = evaluate([metric(Largest)], [9.0] + [0.0] * 9, [0] * 10, bootstrap=400, seed=0)["largest"]
    assert (rare.low, rare.high) == (9.0, 9.0)

    class Both(Mean):
        def compute(self, rows: NDArray[Any]) -> dict[str, float]:
            return {"both": 1.0 if {1.0, 2.0, 3.0} <= set(rows) else np.nan}

    value = evaluate([metric(Both)], [1.0, 2.0, 3.0, 0.0, 0.0], [0] * 5, bootstrap=400, seed=0)["both"]
    assert value == Value(1.0, None, None)


def test_evaluate__undefined_value_is_nan_without_interval() -> None:
    value = evaluate([metric(Largest)], [0.0] * 5, [0] * 5, bootstrap=50, seed=0)["largest"]
    assert np.isnan(value.value)
    assert value.low is None


def test_evaluate__rows_of_different_shapes() -> None:
    value = evaluate([metric(Boxes)], [0] * 5, [0] * 5, bootstrap=50, seed=0)["boxes"]
    assert value.value == 10
    assert value.low < 10 < value.high


def test_evaluate__nothing_measured() -> None:
    assert evaluate([metric()], [], [], bootstrap=10, seed=0) == {}


def test_evaluate__two_metrics_with_one_name() -> None:
    class Other(Mean):
        pass

    with pytest.raises(PluginError, match=r"'mean'.*Mean.*Other") as caught:
        evaluate([metric(), metric(Other)], [1.0], [0], bootstrap=0, seed=0)
    assert "evaluation.metrics" in str(caught.value)
