from __future__ import annotations

import time
import warnings

import numpy as np
import pytest
from sklearn import metrics as oracle

from graft.evaluation import evaluate
from graft_classification import metrics as own
from graft_classification.options import TaskOptions
from graft_classification.scores import Scores, decide, stack

SINGLE = TaskOptions()
MULTI = TaskOptions(labels="multi", threshold=0.3)

KINDS = (own.Accuracy, own.BalancedAccuracy, own.Precision, own.Recall, own.F1, own.Auroc, own.AveragePrecision)


def scores_of(generator: np.random.Generator, n: int, classes: int, *, coarse: bool, multi: bool) -> np.ndarray:
    """Random scores; coarse ones have many ties. Single-label rows add up to one."""
    values = generator.integers(1, 5, size=(n, classes)) if coarse else generator.random((n, classes)) + 1e-3
    values = values / (5 if multi else values.sum(axis=1, keepdims=True))
    return values.astype(np.float32)


def measure(scores: np.ndarray, targets: list, options: TaskOptions, names: list[str]) -> dict[str, float]:
    predictions = [Scores(row) for row in scores]
    built = [kind(classes=names, options=options) for kind in KINDS]
    return {name: v.value for name, v in evaluate(built, predictions, targets, bootstrap=0, seed=0).items()}


def names_of(classes: int) -> list[str]:
    return [f"class.{index}" for index in range(classes)]


@pytest.mark.parametrize("coarse", [False, True])
@pytest.mark.parametrize(("n", "classes"), [(300, 2), (300, 3), (500, 12), (9, 5), (3, 4), (1, 2)])
@pytest.mark.parametrize("seed", range(4))
def test_single__equals_sklearn(n: int, classes: int, seed: int, coarse: bool) -> None:
    """Small n: classes are missing in the truth, in the predictions, or in both."""
    generator = np.random.default_rng([seed, n, classes])
    true = generator.integers(classes, size=n)
    scores = scores_of(generator, n, classes, coarse=coarse, multi=False)
    scores[np.arange(n), true] += 0.1
    scores /= scores.sum(axis=1, keepdims=True)
    names = names_of(classes)
    got = measure(scores, list(true), SINGLE, names)
    predicted = scores.argmax(axis=1)

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        assert got["accuracy"] == pytest.approx(oracle.accuracy_score(true, predicted), abs=1e-6)
        expected = oracle.balanced_accuracy_score(true, predicted)
        assert got["balanced_accuracy"] == pytest.approx(expected, abs=1e-6)
        occurring = set(true) | set(predicted)
        for name, function in counted().items():
            assert got[name] == pytest.approx(function(true, predicted, average="macro", zero_division=0), abs=1e-6)
            each = function(true, predicted, labels=range(classes), average=None, zero_division=0)
            for index in range(classes):
                value = each[index] if index in occurring else np.nan
                assert got[f"{name}.{names[index]}"] == pytest.approx(value, abs=1e-6, nan_ok=True)

    macro = {"auroc": [], "average_precision": []}
    for index in range(classes):
        compare_ranking(got, names[index], true == index, scores[:, index], macro)
    for name, values in macro.items():
        expected = values[1] if classes == 2 else np.mean(values)
        assert got[name] == pytest.approx(expected, abs=1e-6, nan_ok=True)
    if len(set(true)) == classes > 2:
        whole = oracle.roc_auc_score(true, scores, multi_class="ovr", average="macro")
        assert got["auroc"] == pytest.approx(whole, abs=1e-6)


@pytest.mark.parametrize("coarse", [False, True])
@pytest.mark.parametrize(("n", "classes", "share"), [(300, 3, 0.3), (200, 8, 0.5), (6, 5, 0.1), (5, 3, 0.9), (1, 1, 1)])
@pytest.mark.parametrize("seed", range(4))
def test_multi__equals_sklearn(n: int, classes: int, share: float, seed: int, coarse: bool) -> None:
    """Small n: labels that no image has, labels that all have, labels that are never predicted."""
    generator = np.random.default_rng([seed, n, classes])
    true = generator.random((n, classes)) < share
    scores = scores_of(generator, n, classes, coarse=coarse, multi=True)
    names = names_of(classes)
    got = measure(scores, [row.astype(np.float32) for row in true], MULTI, names)
    predicted = scores >= np.float32(0.3)

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        assert got["accuracy"] == pytest.approx((true == predicted).all(axis=1).mean(), abs=1e-6)
        balanced = [oracle.balanced_accuracy_score(true[:, i], predicted[:, i]) for i in range(classes)]
        assert got["balanced_accuracy"] == pytest.approx(np.mean(balanced), abs=1e-6)
        occurring = true.any(axis=0) | predicted.any(axis=0)
        for name, function in counted().items():
            each = np.array(
                [function(true[:, i], predicted[:, i], pos_label=True, zero_division=0) for i in range(classes)]
            )
            each[~occurring] = np.nan
            assert [got[f"{name}.{label}"] for label in names] == pytest.approx(each, abs=1e-6, nan_ok=True)
            if occurring.all() and classes > 1:
                whole = function(true, predicted, average="macro", zero_division=0)
                assert got[name] == pytest.approx(whole, abs=1e-6)

    macro = {"auroc": [], "average_precision": []}
    for index in range(classes):
        compare_ranking(got, names[index], true[:, index], scores[:, index], macro)
    for name, values in macro.items():
        assert got[name] == pytest.approx(np.mean(values), abs=1e-6, nan_ok=True)


def counted() -> dict:
    return {"precision": oracle.precision_score, "recall": oracle.recall_score, "f1": oracle.f1_score}


def compare_ranking(got: dict, name: str, positive: np.ndarray, scores: np.ndarray, macro: dict) -> None:
    """Compare one class against the rest with the oracle; where it is not defined, NaN is expected."""
    auroc = oracle.roc_auc_score(positive, scores) if 0 < positive.sum() < len(positive) else np.nan
    precision = oracle.average_precision_score(positive, scores) if positive.any() else np.nan
    assert got[f"auroc.{name}"] == pytest.approx(auroc, abs=1e-6, nan_ok=True)
    assert got[f"average_precision.{name}"] == pytest.approx(precision, abs=1e-6, nan_ok=True)
    macro["auroc"].append(auroc)
    macro["average_precision"].append(precision)


def test_single__balanced_accuracy_of_the_majority_is_one_in_c() -> None:
    targets = [0] * 90 + [1] * 5 + [2] * 5
    scores = np.tile(np.array([0.9, 0.05, 0.05], dtype=np.float32), (100, 1))
    got = measure(scores, targets, SINGLE, ["a", "b", "c"])
    assert got["accuracy"] == pytest.approx(0.9)
    assert got["balanced_accuracy"] == pytest.approx(1 / 3)
    assert got["auroc"] == 0.5


def test_a_perfect_resample_without_a_class_is_still_perfect() -> None:
    """Otherwise the interval of a perfect classifier on few images would lie below its value."""
    scores = np.eye(6, dtype=np.float32)
    built = [own.F1(classes=names_of(6), options=SINGLE)]
    values = evaluate(built, [Scores(row) for row in scores], list(range(6)), bootstrap=100, seed=0)
    assert (values["f1"].value, values["f1"].low, values["f1"].high) == (1, 1, 1)


def test_decide__a_score_at_the_threshold_counts() -> None:
    assert decide(np.array([[0.3, 0.29999]], dtype=np.float32), MULTI).tolist() == [[True, False]]


def test_stack__no_predictions() -> None:
    assert stack([], 3).shape == (0, 3)


def test_all_metrics_resample_fast() -> None:
    generator = np.random.default_rng(0)
    predictions = [Scores(row) for row in scores_of(generator, 300, 10, coarse=False, multi=False)]
    targets = list(generator.integers(10, size=300))
    built = [kind(classes=names_of(10), options=SINGLE) for kind in KINDS]
    began = time.process_time()
    values = evaluate(built, predictions, targets, bootstrap=1000, seed=0)
    assert time.process_time() - began < 1.5
    assert values["f1.class.3"].low < values["f1.class.3"].value < values["f1.class.3"].high
