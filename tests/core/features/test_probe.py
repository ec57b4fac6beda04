from __future__ import annotations

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler

from graft.errors import DataError
from graft.features import probe
from graft.features.probe import Probe, cross_validate


def blobs(
    n: int = 120, d: int = 8, classes: int = 3, signal: float = 2.0, seed: int = 0
) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.RandomState(seed)
    labels = rng.randint(0, classes, n)
    return rng.randn(n, d) + signal * rng.randn(classes, d)[labels], labels


def accuracy(result: Probe, labels: np.ndarray) -> float:
    return float((result.predicted == labels).mean())


@pytest.mark.parametrize("kind", ["linear", "knn"])
def test_cross_validate__finds_what_is_there_and_nothing_else(kind: probe.Kind) -> None:
    features, labels = blobs(300)
    found = cross_validate(features, labels, kind=kind)
    assert found.accuracy.value > 0.95
    assert found.folds == 5
    shuffled = cross_validate(features, np.random.RandomState(1).permutation(labels), kind=kind)
    assert 0.2 < shuffled.accuracy.value < 0.45


def test_cross_validate__probabilities_values_and_intervals_fit_together() -> None:
    features, labels = blobs(signal=0.5)
    result = cross_validate(features, labels)
    assert result.probabilities.shape == (120, 3)
    assert np.allclose(result.probabilities.sum(axis=1), 1)
    assert (result.predicted == result.probabilities.argmax(axis=1)).all()
    assert result.accuracy.value == accuracy(result, labels)
    recalls = [(result.predicted == labels)[labels == c].mean() for c in range(3)]
    assert result.balanced_accuracy.value == pytest.approx(np.mean(recalls))
    for value in (result.accuracy, result.balanced_accuracy):
        assert value.low is not None
        assert value.high is not None
        assert value.low < value.value < value.high
        assert value.high - value.low < 0.25


def test_cross_validate__is_the_same_again_and_other_with_another_seed() -> None:
    features, labels = blobs(signal=0.5)
    first = cross_validate(features, labels, seed=3)
    again = cross_validate(features, labels, seed=3)
    assert (first.probabilities == again.probabilities).all()
    assert first.accuracy == again.accuracy
    assert (first.probabilities != cross_validate(features, labels, seed=4).probabilities).any()


def test_majority__is_the_share_of_the_largest_class() -> None:
    labels = np.repeat([0, 1], [70, 30])
    result = cross_validate(np.zeros((100, 2)), labels, kind="majority")
    assert result.accuracy.value == 0.7
    assert result.balanced_accuracy.value == 0.5
    assert np.allclose(result.probabilities, [0.7, 0.3])


def test_cross_validate__no_group_is_on_both_sides() -> None:
    # Each group has a place of its own, and a class by chance: who has seen the group knows the class.
    rng = np.random.RandomState(0)
    group = np.repeat(np.arange(40), 5)
    labels = rng.permutation(np.repeat([0, 1], 20))[group]
    features = 10 * rng.randn(40, 16)[group] + 0.1 * rng.randn(200, 16)
    names = [f"patient-{g}" for g in group]
    for kind in ("linear", "knn"):
        assert cross_validate(features, labels, kind="knn").accuracy.value > 0.95
        grouped = cross_validate(features, labels, kind=kind, groups=names)
        assert grouped.accuracy.value < 0.75


def test_cross_validate__intervals_over_groups_are_wider() -> None:
    rng = np.random.RandomState(0)
    group = np.repeat(np.arange(30), 10)
    labels = np.arange(30)[group] % 2
    features = (2 * labels - 1)[:, None] * 1.0 + 1.5 * rng.randn(30, 1)[group] + 0.1 * rng.randn(300, 1)
    alone = cross_validate(features, labels, kind="linear").accuracy
    grouped = cross_validate(features, labels, groups=[str(g) for g in group]).accuracy
    assert grouped.high - grouped.low > 1.5 * (alone.high - alone.low)  # type: ignore[operator]


def test_cross_validate__classes_of_few() -> None:
    features, labels = blobs(40)
    features = np.vstack([features, features[:2] + 100, features[2:3] - 100])
    labels = np.append(labels, [3, 3, 4])
    result = cross_validate(features, labels, classes=6)
    assert result.folds == 5
    assert result.probabilities.shape == (43, 6)
    assert result.predicted[-1] != 4
    assert (result.predicted[-3:-1] == 3).all()
    few = cross_validate(features[[0, 1, 2, 3]], np.array([0, 0, 1, 1]))
    assert few.folds == 2


def test_cross_validate__a_fold_that_knows_one_class_alone() -> None:
    features = np.arange(8.0).reshape(4, 2)
    result = cross_validate(features, np.array([0, 0, 1, 1]), groups=["a", "a", "b", "b"])
    assert (result.predicted == [1, 1, 0, 0]).all()
    assert np.allclose(result.probabilities.sum(axis=1), 1)


def test_linear__fewer_samples_than_dimensions_changes_nothing() -> None:
    features, labels = blobs(60, d=200, signal=0.2)
    train, test = np.arange(45), np.arange(45, 60)
    x, x_test = probe._standardised(features[train], features[test])
    assert x.shape == (45, 45)
    scaler = StandardScaler().fit(features[train])
    exact = {"C": 0.05, "max_iter": 5000, "tol": 1e-10}
    whole = LogisticRegression(**exact).fit(scaler.transform(features[train]), labels[train])
    turned = LogisticRegression(**exact).fit(x, labels[train])
    expected = whole.predict_proba(scaler.transform(features[test]))
    assert np.allclose(turned.predict_proba(x_test), expected, atol=1e-6)


def test_linear__scale_and_offset_of_features_do_not_matter() -> None:
    features, labels = blobs(signal=0.5)
    scales = np.geomspace(1e-3, 1e3, features.shape[1])
    plain, other = cross_validate(features, labels), cross_validate(features * scales + 7, labels)
    assert np.allclose(plain.probabilities, other.probabilities, atol=1e-6)


def test_linear__noise_asks_for_a_stronger_penalty() -> None:
    noise, labels = blobs(100, d=50, signal=0.0)
    signal, _ = blobs(100, d=50, signal=3.0)
    assert probe._chosen_penalty(noise, labels, None) > probe._chosen_penalty(signal, labels, None)


def test_knn__a_vote_by_cosine_counted_by_hand() -> None:
    rng = np.random.RandomState(0)
    features, labels = rng.randn(30, 4), rng.randint(0, 3, 30)
    train, test = np.arange(25), np.arange(25, 30)
    given = probe._knn(features, labels, None, train, test, 3)
    for row, i in enumerate(test):
        cosines = {
            j: features[i] @ features[j] / np.linalg.norm(features[i]) / np.linalg.norm(features[j]) for j in train
        }
        votes = np.zeros(3)
        for j in sorted(cosines, key=lambda j: -cosines[j])[:20]:
            votes[labels[j]] += np.exp(cosines[j] / 0.07)
        assert np.allclose(given[row], votes / votes.sum())


@pytest.mark.parametrize(
    ("labels", "groups", "says"),
    [
        ([0, 1, 2, 3], None, "no class has two images"),
        ([], None, "no class has two images"),
        ([0, 0, 1, 1], ["a"] * 4, "all images are of one group"),
    ],
)
def test_cross_validate__nothing_to_divide(labels: list[int], groups: list[str] | None, says: str) -> None:
    with pytest.raises(DataError, match=says):
        cross_validate(np.zeros((len(labels), 2)), np.array(labels, int), groups=groups)


def test_cross_validate__refuses_what_is_no_number() -> None:
    with pytest.raises(DataError, match="NaN or infinity"):
        cross_validate(np.full((4, 2), np.nan), np.array([0, 0, 1, 1]))
    with pytest.raises(ValueError, match="not one row"):
        cross_validate(np.zeros((3, 2)), np.array([0, 0, 1, 1]))
