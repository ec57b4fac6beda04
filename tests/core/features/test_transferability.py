from __future__ import annotations

import numpy as np
import pytest
from scipy.optimize import minimize
from scipy.special import softmax
from scipy.stats import multivariate_normal, norm
from sklearn.covariance import LedoitWolf
from sklearn.mixture import GaussianMixture

from graft.features.transferability import hscore, leep, logme, nleep

N, D, C, S = 200, 32, 5, 12


def drawn() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Features, probabilities of a source classifier, and labels, for which thuml/LogME's own results are known."""
    rng = np.random.RandomState(0)
    y = rng.randint(0, C, N)
    f = rng.randn(N, D) + np.eye(C)[y] @ rng.randn(C, D)
    z = rng.randn(N, S) + np.eye(C)[y] @ rng.randn(C, S)
    return f, softmax(z, axis=1), y


def test_logme__as_the_authors_code() -> None:
    f, _, y = drawn()
    assert logme(f, y) == pytest.approx(0.097996795146, abs=1e-9)


def test_leep__as_the_authors_corrected_code() -> None:
    _, p, y = drawn()
    assert leep(p, y) == pytest.approx(-1.168432097351, abs=1e-9)


@pytest.mark.parametrize("shape", [(60, 10), (30, 50), (60, 12)], ids=["tall", "wide", "with empty dimensions"])
def test_logme__is_the_largest_evidence_that_there_is(shape: tuple[int, int]) -> None:
    """The marginal likelihood as the density of a Gaussian, maximised by a search that knows nothing of LogME."""
    n, d = shape
    rng = np.random.RandomState(1)
    y = rng.randint(0, 3, n)
    f = rng.randn(n, d) + 0.7 * rng.randn(3, d)[y]
    if d == 12:
        f[:, 3:6] = 0
    best = []
    for label in range(3):
        target = (y == label).astype(float)

        def minus(logs: np.ndarray, target: np.ndarray = target) -> float:
            alpha, beta = np.exp(logs)
            covariance = f @ f.T / alpha + np.eye(n) / beta
            return -float(multivariate_normal(np.zeros(n), covariance).logpdf(target)) / n

        found = minimize(minus, np.array([1.0, 1.0]), method="Nelder-Mead", options={"xatol": 1e-4, "fatol": 1e-9})
        best.append(-found.fun)
    # The iteration stops early; it can be a little below the largest value, never above.
    assert logme(f, y) <= np.mean(best) + 1e-7
    assert logme(f, y) == pytest.approx(np.mean(best), abs=5e-3)


def test_logme__scale_does_not_matter_and_signal_does() -> None:
    rng = np.random.RandomState(2)
    y = rng.randint(0, 4, 300)
    means, noise = rng.randn(4, 20), rng.randn(300, 20)
    scores = [logme(noise + signal * means[y], y) for signal in (0, 0.3, 1)]
    assert scores == sorted(scores)
    assert scores[2] - scores[0] > 0.1
    assert logme(3 * (noise + means[y]), y) == pytest.approx(scores[2], abs=1e-3)


def test_leep__counted_by_hand() -> None:
    _, p, y = drawn()
    total = 0.0
    for i in range(N):
        likely = 0.0
        for z in range(S):
            both = sum(p[j, z] for j in range(N) if y[j] == y[i])
            likely += p[i, z] * both / sum(p[j, z] for j in range(N))
        total += np.log(likely)
    assert leep(p, y) == pytest.approx(total / N, abs=1e-12)


def test_leep__ends_of_the_scale() -> None:
    labels = np.array([0, 1, 2] * 10)
    assert leep(np.eye(4)[labels], labels) == 0, "a classifier that knows; its last class is never guessed"
    assert leep(np.full((30, 4), 0.25), labels) == pytest.approx(np.log(1 / 3)), "one that knows nothing"
    assert leep(np.eye(4)[labels], 2 * labels) == 0, "classes 1 and 3 have no image"


def test_nleep__posteriors_counted_by_hand() -> None:
    rng = np.random.RandomState(3)
    y = rng.randint(0, 3, 90)
    f = rng.randn(90, 6) * [5, 4, 3, 0.1, 0.1, 0.1] + 4 * rng.randn(3, 6)[y]
    centred = f - f.mean(axis=0)
    values, axes = np.linalg.eigh(centred.T @ centred)
    values, axes = values[::-1], axes[:, ::-1]
    number = next(k for k in range(1, 7) if values[:k].sum() / values.sum() > 0.8)
    reduced = centred @ axes[:, :number]
    mixture = GaussianMixture(15, covariance_type="diag", random_state=0).fit(reduced)
    posteriors = np.zeros((90, 15))
    for i in range(90):
        for k in range(15):
            density = norm.pdf(reduced[i], mixture.means_[k], np.sqrt(mixture.covariances_[k])).prod()
            posteriors[i, k] = mixture.weights_[k] * density
        posteriors[i] /= posteriors[i].sum()
    assert nleep(f, y) == pytest.approx(leep(posteriors, y), abs=1e-6)


def test_nleep__clusters_that_are_classes_score_higher() -> None:
    rng = np.random.RandomState(4)
    y = rng.randint(0, 3, 150)
    f = rng.randn(150, 10) + 4 * rng.randn(3, 10)[y]
    assert nleep(f, y) > nleep(f, rng.permutation(y)) + 0.2
    assert nleep(f, y) == nleep(f, y)
    assert nleep(f[:4], np.array([0, 1, 2, 0])) <= 0, "fewer images than components"


def covariances(f: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    means = np.zeros_like(f)
    for i, label in enumerate(y):
        means[i] = f[y == label].mean(axis=0)
    return np.cov(f.T), np.cov(means.T)


def test_hscore__from_the_two_covariances() -> None:
    f, _, y = drawn()
    of_features, of_means = covariances(f, y)
    assert hscore(f, y) == pytest.approx(np.trace(np.linalg.inv(of_features) @ of_means), abs=1e-9)


def test_hscore__with_empty_and_doubled_dimensions() -> None:
    f, _, y = drawn()
    assert hscore(np.hstack([f, f[:, :3], np.zeros((N, 2))]), y) == pytest.approx(hscore(f, y), abs=1e-6)


def test_hscore__shrunk_from_the_two_covariances() -> None:
    f, _, y = drawn()
    for part in (slice(None), slice(20)):
        fitted = LedoitWolf().fit(f[part])
        _, of_means = covariances(f[part], y[part])
        n = len(f[part])
        expected = np.trace(np.linalg.inv(fitted.covariance_) @ of_means) * (n - 1) / n * (1 - fitted.shrinkage_)
        assert hscore(f[part], y[part], shrinkage=True) == pytest.approx(expected, abs=1e-9)


def test_hscore__few_samples_ask_for_shrinkage() -> None:
    f, _, y = drawn()
    shuffled = np.random.RandomState(0).permutation(y[:25])
    assert hscore(f[:25], y[:25]) == pytest.approx(C - 1)
    assert hscore(f[:25], shuffled) == pytest.approx(C - 1), "any labels"
    assert hscore(f[:25], y[:25], shrinkage=True) > hscore(f[:25], shuffled, shrinkage=True)
