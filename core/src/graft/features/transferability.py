"""Scores that foretell, from features and labels alone, how well a pretrained network will transfer. Numpy float64.

Larger is better for all of them. A score compares networks on one data set; across data sets it means nothing.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.floating]
Ints = NDArray[np.integer]

_ROUNDS = 11
_SETTLED = 1e-3
_EPSILON = 1e-5
"""When the fixed-point iteration of LogME ends, and what keeps it from dividing by zero: as in the authors' code."""

ENERGY = 0.8
PER_CLASS = 5
"""Share of the variance that N-LEEP keeps, and mixture components for each class: as in Li et al. (2021)."""


def logme(features: Floats, labels: Ints) -> float:
    """Return the logarithm of maximum evidence (You et al. 2021), by the fixed-point iteration of You et al. (2022).

    For each class, a Bayesian linear model of "is it this class" on the features, whose precisions α of the weights
    and β of the noise make the labels most likely; the score is the log evidence per sample, averaged over classes.
    Equals the authors' code (thuml/LogME) where the features have full rank. Where there are more samples than
    dimensions and some of these are empty (a unit that never fires), that code forgets the empty ones' share of
    log|A|; here it is in.

    Args:
        features: `(N, D)`.
        labels: `(N,)`, 0 … C - 1.
    """
    f = np.asarray(features, np.float64)
    n, d = f.shape
    u, sigma = _axes(f)
    evidences = []
    for label in np.unique(labels):
        y = (labels == label).astype(np.float64)
        z2 = (u.T @ y) ** 2
        beyond = float(y @ y - z2.sum())
        alpha = beta = 1.0
        evidence = 0.0
        for _ in range(_ROUNDS):
            t = alpha / beta
            gamma = float((sigma / (sigma + t)).sum())
            m2 = float((sigma * z2 / (t + sigma) ** 2).sum())
            rest2 = float((z2 / (1 + sigma / t) ** 2).sum()) + beyond
            alpha = gamma / (m2 + _EPSILON)
            beta = (n - gamma) / (rest2 + _EPSILON)
            log_det = np.log(alpha + beta * sigma).sum() + (d - len(sigma)) * np.log(alpha)
            fit = d * np.log(alpha) + n * np.log(beta) - log_det - beta * rest2 - alpha * m2 - n * np.log(2 * np.pi)
            evidence = float(fit / 2 / n)
            if abs(alpha / beta - t) / t <= _SETTLED:
                break
        evidences.append(evidence)
    return float(np.mean(evidences))


def _axes(f: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the left singular vectors `(N, k)` and the squared singular values `(k,)` that are not zero."""
    n, d = f.shape
    if n <= d:
        u, s, _ = np.linalg.svd(f, full_matrices=False)
        kept = s > s[0] * d * np.finfo(np.float64).eps
        return u[:, kept], s[kept] ** 2
    # Of many samples the Gram matrix is much smaller.
    sigma, v = np.linalg.eigh(f.T @ f)
    kept = sigma > sigma[-1] * n * np.finfo(np.float64).eps
    return f @ v[:, kept] / np.sqrt(sigma[kept]), sigma[kept]


def leep(probabilities: Floats, labels: Ints) -> float:
    """Return the log expected empirical prediction (Nguyen et al. 2020).

    The mean log likelihood of the labels when the source classifier's guess is drawn and then translated by how often
    each label came with each source class.

    Args:
        probabilities: `(N, S)`, what the source classifier says of its own S classes; rows sum to one.
        labels: `(N,)`, 0 … C - 1.
    """
    p = np.asarray(probabilities, np.float64)
    numbers = np.unique(labels, return_inverse=True)[1]
    joint = np.stack([part.sum(axis=0) for part in _by_class(p, labels)]) / len(p)
    marginal = joint.sum(axis=0)
    # A source class that is never guessed, to the last bit, translates to nothing: its guesses are zero as well.
    given = joint / np.where(marginal > 0, marginal, 1.0)
    likely = (p @ given.T)[np.arange(len(p)), numbers]
    return float(np.log(likely).mean())


def nleep(features: Floats, labels: Ints, *, seed: int = 0) -> float:
    """Return N-LEEP (Li et al. 2021): LEEP with the clusters of the features in place of a source classifier.

    Principal components with 80 % of the variance, a mixture of five Gaussians for each class, and LEEP on the
    posteriors. The Gaussians have diagonal covariances: full ones cannot be estimated from a few hundred images.

    Args:
        features: `(N, D)`.
        labels: `(N,)`, 0 … C - 1.
        seed: Of the mixture's start.
    """
    from sklearn.decomposition import PCA
    from sklearn.mixture import GaussianMixture

    f = np.asarray(features, np.float64)
    reduced = PCA(n_components=ENERGY, svd_solver="full").fit_transform(f)
    number = min(PER_CLASS * len(np.unique(labels)), max(1, len(f) // 2))
    mixture = GaussianMixture(number, covariance_type="diag", random_state=seed).fit(reduced)
    return leep(mixture.predict_proba(reduced), labels)


def hscore(features: Floats, labels: Ints, *, shrinkage: bool = False) -> float:
    """Return the H-score (Bao et al. 2019): tr(cov(f)⁻¹ cov(E[f | y])), in 0 … C - 1.

    With at most as many samples as dimensions it is C - 1 for any features, whatever the labels, since some direction
    tells every sample apart. The shrunk H-score (Ibrahim et al. 2021) says something there too: the covariance of the
    features is drawn towards a multiple of the identity, by the share of Ledoit & Wolf (2004).

    Args:
        features: `(N, D)`.
        labels: `(N,)`, 0 … C - 1.
        shrinkage: Whether the covariance is shrunk.
    """
    f = np.asarray(features, np.float64)
    f = f - f.mean(axis=0)
    if not shrinkage:
        # With f = U S V', both covariances lose S and V: what is left is how far class means are apart in U.
        u, _ = _axes(f)
        return float(sum(len(part) * (part.mean(axis=0) ** 2).sum() for part in _by_class(u, labels)))
    from sklearn.covariance import ledoit_wolf

    covariance, share = ledoit_wolf(f, assume_centered=True)
    means = np.stack([np.sqrt(len(part) / len(f)) * part.mean(axis=0) for part in _by_class(f, labels)])
    return float((1 - share) * (means.T * np.linalg.solve(covariance, means.T)).sum())


def _by_class(rows: NDArray[np.float64], labels: Ints) -> Iterator[NDArray[np.float64]]:
    """Yield the rows of each class that there is."""
    for label in np.unique(labels):
        yield rows[labels == label]
