"""What a head calculates in torch is what the fitted estimator of scikit-learn says."""

from __future__ import annotations

import importlib
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from sklearn.metrics.pairwise import rbf_kernel

from clouds import INFO, KINDS, as_labels, clouds, fit, head_of, scores_of
from graft.errors import RecipeError
from graft.tasks import Features

ESTIMATORS = {
    "logistic": "sklearn.linear_model.LogisticRegression",
    "linear-svm": "sklearn.svm.LinearSVC",
    "svm": "sklearn.svm.SVC",
    "forest": "sklearn.ensemble.RandomForestClassifier",
    "boosting": "sklearn.ensemble.HistGradientBoostingClassifier",
    "fitted-mlp": "sklearn.neural_network.MLPClassifier",
}


@pytest.fixture
def fitted(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """Every estimator that is fitted, in order."""
    known: list[Any] = []
    for name in ESTIMATORS.values():
        module, attribute = name.rsplit(".", 1)
        kind = getattr(importlib.import_module(module), attribute)

        def remember(self: Any, x: Any, y: Any, original: Any = kind.fit) -> Any:
            known.append(self)
            return original(self, x, y)

        monkeypatch.setattr(kind, "fit", remember)
    return known


def prepared(head: Any, x: NDArray[np.float32]) -> NDArray[np.float64]:
    with torch.no_grad():
        return head.classifier.prepare(torch.from_numpy(x)).double().numpy()


def platt(head: Any, decisions: NDArray[Any]) -> NDArray[Any]:
    scale = head.classifier.family.platt
    return 1 / (1 + np.exp(-(decisions * scale.slope.numpy() + scale.offset.numpy())))


def expected(kind: str, head: Any, x: NDArray[Any], estimators: list[Any], classes: int, multi: bool) -> NDArray[Any]:
    """The probabilities of the estimators that were fitted last."""
    if multi and kind in ("forest", "fitted-mlp"):
        given = estimators[-1].predict_proba(x)
        return np.stack([each[:, 1] for each in given], axis=1) if kind == "forest" else given
    if kind in ("logistic", "boosting"):
        if not multi:
            return estimators[-1].predict_proba(x)
        return np.stack([one.predict_proba(x)[:, 1] for one in estimators[-classes:]], axis=1)
    if kind in ("forest", "fitted-mlp"):
        return estimators[-1].predict_proba(x)
    if kind == "linear-svm" and not multi:
        decisions = estimators[-1].decision_function(x)
    else:
        used = estimators[-1:] if classes == 2 and not multi else estimators[-classes:]
        decisions = np.stack([one.decision_function(x) for one in used], axis=1)
    if not multi and classes == 2:
        decisions = np.stack([-decisions.ravel(), decisions.ravel()], axis=1)
    likely = platt(head, decisions)
    return likely if multi else likely / likely.sum(axis=1, keepdims=True)


@pytest.mark.parametrize("labels", ["single", "multi"])
@pytest.mark.parametrize("classes", [2, 4])
@pytest.mark.parametrize("pca", [None, 5], ids=["all", "pca"])
@pytest.mark.parametrize("kind", ESTIMATORS)
def test_answer__is_scikit_learns(kind: str, pca: int | None, classes: int, labels: str, fitted: list[Any]) -> None:
    x, y = clouds(90, classes, seed=0)
    unseen, _ = clouds(200, classes, seed=1)
    multi = labels == "multi"
    head = head_of(kind, classes, labels=labels, pca=pca, folds=2)
    targets = as_labels(y, classes) if multi else y
    fit(head, x, targets)
    asked = prepared(head, unseen)
    if kind == "svm":
        asked = rbf_kernel(asked, prepared(head, x), gamma=float(head.classifier.family.gamma))
    wanted = expected(kind, head, asked, fitted, classes, multi)
    given = scores_of(head, unseen)
    assert given.std(axis=0).min() > 0.02, "a head that always says the same would prove nothing"
    np.testing.assert_allclose(given, wanted, atol=1e-5)


def test_answer__of_a_machine_whose_kernel_is_too_large_to_keep(
    fitted: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("graft_classification.classical.kernel._IN_MEMORY", 0)
    (x, y), (unseen, _) = clouds(90, 4, seed=0), clouds(200, 4, seed=1)
    head = head_of("svm", 4, folds=2)
    fit(head, x, y)
    wanted = expected("svm", head, prepared(head, unseen), fitted, 4, multi=False)
    np.testing.assert_allclose(scores_of(head, unseen), wanted, atol=1e-5)


@pytest.mark.parametrize("labels", ["single", "multi"])
@pytest.mark.parametrize("neighbours", [1, 7])
def test_answer__of_neighbours_is_scikit_learns(neighbours: int, labels: str) -> None:
    from sklearn.neighbors import KNeighborsClassifier

    (x, y), (unseen, _) = clouds(90, 4, seed=0), clouds(200, 4, seed=1)
    targets = as_labels(y, 4) if labels == "multi" else y
    head = head_of("knn", 4, labels=labels, neighbours=(neighbours,))
    fit(head, x, targets)
    peer = KNeighborsClassifier(neighbours, weights="distance").fit(prepared(head, x), targets)
    both = np.concatenate([unseen, x[:9]])  # what was learnt from is right, whatever its neighbours say
    wanted = peer.predict_proba(prepared(head, both))
    wanted = np.stack([each[:, 1] for each in wanted], axis=1) if labels == "multi" else wanted
    np.testing.assert_allclose(scores_of(head, both), wanted, atol=1e-5)


def test_prepare__is_scikit_learns() -> None:
    from sklearn.decomposition import PCA
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    x, y = clouds(90, 3, seed=0)
    unseen, _ = clouds(50, 3, seed=1)
    head = head_of("knn", 3, pca=0.8)
    chosen = fit(head, x, y)
    peer = make_pipeline(StandardScaler(), PCA(0.8)).fit(x.astype(np.float64))
    np.testing.assert_allclose(prepared(head, unseen), peer.transform(unseen.astype(np.float64)), atol=1e-4)
    assert chosen["components"] == peer[1].n_components_
    assert chosen["explained variance"] == pytest.approx(peer[1].explained_variance_ratio_.sum())


@pytest.mark.parametrize("kind", [*KINDS, "ensemble"])
def test_fit__same_seed_same_buffers(kind: str) -> None:
    x, y = clouds(60, 3, seed=0)
    heads = [head_of(kind, 3) for _ in range(2)]
    for head in heads:
        fit(head, x, y)
    one, other = (head.state_dict() for head in heads)
    assert all(torch.equal(one[name], other[name]) for name in one)


@pytest.mark.parametrize("kind", ["forest", "fitted-mlp"])
def test_fit__another_seed_gives_others(kind: str) -> None:
    x, y = clouds(60, 3, seed=0)
    one, other = head_of(kind, 3), head_of(kind, 3)
    fit(one, x, y, seed=1)
    fit(other, x, y, seed=2)
    assert not np.array_equal(scores_of(one, x), scores_of(other, x))


@pytest.mark.parametrize("labels", ["single", "multi"])
@pytest.mark.parametrize("kind", [*KINDS, "ensemble"])
def test_state__loads_into_a_new_head(kind: str, labels: str) -> None:
    x, y = clouds(60, 3, seed=0)
    head, other = head_of(kind, 3, labels=labels), head_of(kind, 3, labels=labels)
    fit(head, x, as_labels(y, 3) if labels == "multi" else y)
    other.load_state_dict(head.state_dict())
    assert np.array_equal(scores_of(other, x), scores_of(head, x))


@pytest.mark.parametrize("labels", ["single", "multi"])
@pytest.mark.parametrize("kind", [*KINDS, "ensemble"])
def test_loss__is_the_log_loss_of_what_is_decoded(kind: str, labels: str) -> None:
    from sklearn.metrics import log_loss

    x, y = clouds(60, 3, seed=0)
    multi = labels == "multi"
    targets = as_labels(y, 3) if multi else y
    head = head_of(kind, 3, labels=labels)
    fit(head, x, targets)
    outputs = head.answer(torch.from_numpy(x))
    loss = float(head.loss(outputs, torch.from_numpy(targets))["classification"])
    scores = np.stack([each.scores for each in head.decode(outputs, [(8, 8)] * len(x))]).astype(np.float64)
    if multi:
        wanted = np.mean([log_loss(targets[:, i], scores[:, i], labels=[0, 1]) for i in range(3)])
    else:
        np.testing.assert_allclose(scores.sum(axis=1), 1, atol=1e-5)
        wanted = log_loss(y, scores / scores.sum(axis=1, keepdims=True), labels=[0, 1, 2])
    assert np.isfinite(loss)
    assert loss == pytest.approx(wanted, abs=1e-3)


@pytest.mark.parametrize("labels", ["single", "multi"])
@pytest.mark.parametrize("kind", [*KINDS, "ensemble"])
def test_fit__classes_that_are_rare_or_missing(kind: str, labels: str) -> None:
    """A class with one image is missing from a fold; in a rehearsal on two batches, most of them are missing."""
    x, y = clouds(40, 3, seed=0)
    multi = labels == "multi"
    for some in (
        np.r_[np.flatnonzero(y != 2), np.flatnonzero(y == 2)[:1]],
        np.flatnonzero(y != 2),
        np.flatnonzero(y == 1),
    ):
        head = head_of(kind, 3, labels=labels)
        targets = np.eye(3, dtype=np.float32)[y[some]] if multi else y[some]
        fit(head, x[some], targets)
        scores = scores_of(head, x)
        assert np.isfinite(scores).all()
        if not (y[some] == 2).any():
            assert scores[:, 2].max() < 0.3
        if (y[some] == 1).all():
            assert (scores.argmax(axis=1) == 1).all()


@pytest.mark.parametrize("kind", ["logistic", "linear-svm", "svm", "forest", "boosting"])
@pytest.mark.parametrize("labels", ["single", "multi"])
def test_class_weights__act(kind: str, labels: str) -> None:
    x, y = clouds(150, 3, seed=0)
    keep = np.r_[np.flatnonzero(y < 2), np.flatnonzero(y == 2)[:6]]
    x, y = x[keep], y[keep]
    targets = np.eye(3, dtype=np.float32)[y] if labels == "multi" else y
    seen = []
    for weights in ("none", "balanced", {"c": 30.0}):
        head = head_of(kind, 3, labels=labels, class_weights=weights)
        fit(head, x, targets)
        seen.append(scores_of(head, x))
    assert not np.allclose(seen[0], seen[1])
    assert not np.allclose(seen[0], seen[2])


@pytest.mark.parametrize("kind", ["logistic", "linear-svm", "svm", "forest", "boosting", "ensemble"])
def test_class_weights__of_a_class_that_there_is_not(kind: str) -> None:
    with pytest.raises(RecipeError) as caught:
        head_of(kind, 3, class_weights={"z": 2.0})
    assert caught.value.problems[0].where == "head.class_weights.z"


@pytest.mark.parametrize("kind", ["knn", "fitted-mlp"])
def test_class_weights__are_no_option_where_they_could_not_act(kind: str) -> None:
    with pytest.raises(ValueError, match="class_weights"):
        head_of(kind, 3, class_weights="balanced")


def test_describe__an_ensemble_sees_pooled_stages() -> None:
    head = head_of("ensemble", 3)
    maps = tuple(torch.randn(2, stage.channels, 4, 4) for stage in INFO.stages)
    described = head.describe(Features(pyramid=maps))
    assert torch.equal(described, torch.cat([maps[0].mean((2, 3)), maps[1].mean((2, 3))], dim=1))
