"""How well classes can be told apart on features as they are: cross-validated probes. Torch-free."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from graft.errors import DataError
from graft.evaluation.intervals import percentile_interval, resamples
from graft.evaluation.metrics import Value

Kind = Literal["linear", "knn", "majority"]
Floats = NDArray[np.floating]
Ints = NDArray[np.integer]

PENALTIES = (1.0, 0.1, 0.01, 1e-3, 1e-4)
"""Strengths λ of the L2 penalty that the linear probe tries: it minimises mean loss + λ/2 · |weights|²."""

NEIGHBOURS = 20
TEMPERATURE = 0.07
"""What Wu et al. (2018) vote with: each neighbour counts exp(cosine / TEMPERATURE)."""

_INNER_FOLDS = 3
_IMPOSSIBLE = 1e-12
_BOOTSTRAP = 1000
_CHUNK = 1024


@dataclass(frozen=True, kw_only=True)
class Probe:
    """What a classifier on features reached on samples that it had not seen.

    Args:
        kind: `linear`, `knn` or `majority`.
        folds: How many parts were left out in turn.
        accuracy: Share of samples that are predicted right, with its 95 % interval over samples, or over groups.
        balanced_accuracy: Mean over classes of the share of each that is predicted right, likewise.
        probabilities: `(N, C)`, from the fold that did not see the sample; rows sum to one.
        predicted: `(N,)`, the most probable class.
    """

    kind: str
    folds: int
    accuracy: Value
    balanced_accuracy: Value
    probabilities: NDArray[np.float64]
    predicted: NDArray[np.int64]


def cross_validate(
    features: Floats,
    labels: Ints,
    *,
    kind: Kind = "linear",
    groups: Sequence[str] | None = None,
    classes: int | None = None,
    folds: int = 5,
    seed: int = 0,
) -> Probe:
    """Train on all folds but one and predict that one, in turn.

    Folds keep the shares of the classes, and groups together. A class with fewer samples than folds is missing from
    some of them; one with a single sample, or group, is unknown wherever it is asked for and never predicted right.

    - `linear`: logistic regression on standardised features, its L2 penalty chosen by log loss in a cross-validation
      inside of the training folds.
    - `knn`: the nearest training samples by cosine vote, each with exp(cosine / temperature) (Wu et al. 2018).
    - `majority`: the shares of the classes in the training folds; looks at no feature.

    Args:
        features: `(N, D)`, finite.
        labels: `(N,)`, 0 … C - 1.
        kind: What is trained.
        groups: The group of each sample, `(N,)`.
        classes: C; by default the largest label and one.
        folds: Fewer where the largest class has fewer samples or there are fewer groups.
        seed: Of the folds and of the bootstrap; same seed, same result.

    Raises:
        DataError: When features are not finite, no class has two samples, or there is one group alone.
    """
    labels = np.asarray(labels).astype(np.int64)
    if features.ndim != 2 or len(features) != len(labels) or (groups is not None and len(groups) != len(labels)):
        raise ValueError(f"features {features.shape}, labels {labels.shape}: not one row for each sample")
    if not np.isfinite(features).all():
        raise DataError("the features hold NaN or infinity", fix="look at the backbone's weights: they do not fit")
    number = int(labels.max(initial=0)) + 1 if classes is None else classes
    probabilities = np.zeros((len(labels), number))
    parts = list(_folds(labels, groups, folds=folds, seed=seed))
    for train, test in parts:
        probabilities[test] = _PREDICT[kind](features, labels, groups, train, test, number)
    predicted = probabilities.argmax(axis=1)
    accuracy, balanced = _measured(labels, predicted, groups, seed)
    return Probe(
        kind=kind,
        folds=len(parts),
        accuracy=accuracy,
        balanced_accuracy=balanced,
        probabilities=probabilities,
        predicted=predicted,
    )


Fold = tuple[NDArray[np.int64], NDArray[np.int64]]


def _folds(labels: Ints, groups: Sequence[str] | None, *, folds: int, seed: int) -> Iterator[Fold]:
    """Yield the indices of training and left-out samples.

    Raises:
        DataError: When there is nothing to divide.
    """
    from sklearn.model_selection import StratifiedGroupKFold, StratifiedKFold

    most = int(np.bincount(labels).max(initial=0))
    units = len(labels) if groups is None else len(set(groups))
    if most < 2 or units < 2:
        raise DataError(
            f"cannot cross-validate: {'no class has two images' if most < 2 else 'all images are of one group'}",
            fix="bring more labelled images, at least two of a class and not all of one group",
        )
    number = min(folds, most, units)
    divider = (StratifiedKFold if groups is None else StratifiedGroupKFold)(number, shuffle=True, random_state=seed)
    with warnings.catch_warnings():
        # Of classes with fewer samples than folds, which are meant to be spread as far as they go.
        warnings.simplefilter("ignore", UserWarning)
        for train, test in divider.split(np.zeros(len(labels)), labels, groups):
            if len(train) and len(test):
                yield train, test


def _linear(
    features: Floats, labels: Ints, groups: Sequence[str] | None, train: Ints, test: Ints, number: int
) -> NDArray[np.float64]:
    known, numbers = np.unique(labels[train], return_inverse=True)
    if len(known) == 1:
        return _majority(features, labels, groups, train, test, number)
    x, x_test = _standardised(features[train], features[test])
    inner = None if groups is None else [groups[i] for i in train]
    penalty = _chosen_penalty(x, numbers, inner)
    (model,) = _fitted(x, numbers, (penalty,))
    probabilities = np.zeros((len(test), number))
    probabilities[:, known] = model.predict_proba(x_test)
    return probabilities


def _standardised(train: Floats, test: Floats) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return both with the training features' mean 0 and variance 1, in no more dimensions than there are samples.

    The optimal weights are combinations of training samples. Turned such that these span the first n axes alone, the
    other axes carry nothing: distances, penalty and solution are the same in n dimensions as in D.
    """
    from sklearn.preprocessing import StandardScaler

    scaler = StandardScaler().fit(train.astype(np.float64))
    x, x_test = scaler.transform(train.astype(np.float64)), scaler.transform(test.astype(np.float64))
    if x.shape[0] >= x.shape[1]:
        return x, x_test
    axes, coordinates = np.linalg.qr(x.T)
    return coordinates.T, x_test @ axes


def _chosen_penalty(x: NDArray[np.float64], labels: Ints, groups: Sequence[str] | None) -> float:
    """Return the penalty with the smallest log loss on samples that were left out of the training samples."""
    try:
        parts = list(_folds(labels, groups, folds=_INNER_FOLDS, seed=0))
    except DataError:
        return PENALTIES[len(PENALTIES) // 2]
    losses = np.zeros(len(PENALTIES))
    for train, test in parts:
        known, numbers = np.unique(labels[train], return_inverse=True)
        if len(known) == 1:
            continue
        # A class that training did not see is equally impossible for every penalty.
        seen = np.flatnonzero(np.isin(labels[test], known))
        columns = np.searchsorted(known, labels[test][seen])
        for i, model in enumerate(_fitted(x[train], numbers, PENALTIES)):
            if len(seen):
                likely = model.predict_proba(x[test][seen])[np.arange(len(seen)), columns]
                losses[i] -= np.log(np.maximum(likely, _IMPOSSIBLE)).sum()
    return PENALTIES[int(losses.argmin())]


def _fitted(x: NDArray[np.float64], labels: Ints, penalties: Sequence[float]) -> Iterator[Any]:
    """Yield one logistic regression, fitted with each penalty in turn, from the one before."""
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.linear_model import LogisticRegression

    model = LogisticRegression(max_iter=300, tol=1e-3, warm_start=True)
    for penalty in penalties:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)
            yield model.set_params(C=1 / (penalty * len(labels))).fit(x, labels)


def _knn(
    features: Floats, labels: Ints, groups: Sequence[str] | None, train: Ints, test: Ints, number: int
) -> NDArray[np.float64]:
    x, x_test = _unit(features[train]), _unit(features[test])
    k = min(NEIGHBOURS, len(train))
    probabilities = np.zeros((len(test), number))
    for start in range(0, len(test), _CHUNK):
        cosines = x_test[start : start + _CHUNK] @ x.T
        nearest = np.argpartition(-cosines, k - 1, axis=1)[:, :k]
        near = np.take_along_axis(cosines, nearest, axis=1)
        votes = np.exp((near - near.max(axis=1, keepdims=True)) / TEMPERATURE)
        rows = np.arange(start, start + len(near))[:, None]
        np.add.at(probabilities, (rows, labels[train][nearest]), votes / votes.sum(axis=1, keepdims=True))
    return probabilities


def _unit(features: Floats) -> NDArray[np.float64]:
    x = features.astype(np.float64)
    length = np.linalg.norm(x, axis=1, keepdims=True)
    return x / np.where(length > 0, length, 1.0)


def _majority(
    features: Floats, labels: Ints, groups: Sequence[str] | None, train: Ints, test: Ints, number: int
) -> NDArray[np.float64]:
    shares = np.bincount(labels[train], minlength=number) / len(train)
    return np.tile(shares, (len(test), 1))


_PREDICT = {"linear": _linear, "knn": _knn, "majority": _majority}


def _measured(labels: Ints, predicted: Ints, groups: Sequence[str] | None, seed: int) -> tuple[Value, Value]:
    right = predicted == labels

    def balanced(indices: Ints | slice) -> float:
        counts = np.bincount(labels[indices])
        hits = np.bincount(labels[indices], weights=right[indices])
        return float((hits[counts > 0] / counts[counts > 0]).mean())

    drawn = list(resamples(len(labels), count=_BOOTSTRAP, seed=seed, groups=groups))
    accuracies = percentile_interval([right[indices].mean() for indices in drawn])
    balances = percentile_interval([balanced(indices) for indices in drawn])
    everything = slice(None)
    return Value(float(right.mean()), *(accuracies or ())), Value(balanced(everything), *(balances or ()))
