from __future__ import annotations

from typing import Any, get_args

import numpy as np
import pytest
import torch

from clouds import as_labels, clouds, fit, head_of, plugins, scores_of
from graft.errors import RecipeError
from graft.plugins import HeadSpec
from graft_classification.classical.ensemble import _KINDS
from graft_classification.classical.options import Member
from graft_classification.outputs import probabilities

MEMBERS = ({"kind": "logistic", "stage": "stem"}, {"kind": "knn", "stage": -1}, {"kind": "svm", "stage": "stage1"})
SPANS = ((0, 5), (5, 12), (5, 12))


def by_member(head: Any, x: np.ndarray, multi: bool) -> np.ndarray:
    given = [
        probabilities(member(torch.from_numpy(x[:, start:end])), multi=multi)
        for member, (start, end) in zip(head.members, SPANS, strict=True)
    ]
    return torch.stack(given, dim=1).numpy()


@pytest.mark.parametrize("labels", ["single", "multi"])
def test_soft_vote__is_the_mean_of_the_members(labels: str) -> None:
    (x, y), (unseen, _) = clouds(90, 3, seed=0), clouds(50, 3, seed=1)
    multi = labels == "multi"
    targets = as_labels(y, 3) if multi else y
    head = head_of("ensemble", 3, labels=labels, members=MEMBERS)
    chosen = fit(head, x, targets)
    np.testing.assert_allclose(scores_of(head, unseen), by_member(head, unseen, multi).mean(axis=1), atol=1e-5)
    assert chosen["vote cross-validated balanced accuracy"] > 0.6
    assert {"1 logistic C", "2 knn neighbours", "3 svm gamma"} <= set(chosen)


@pytest.mark.parametrize("labels", ["single", "multi"])
def test_members__are_what_they_would_be_alone(labels: str) -> None:
    """Scikit-learn's `VotingClassifier` fits its estimators to the same data, too: each of them by itself."""
    x, y = clouds(90, 3, seed=0)
    targets = as_labels(y, 3) if labels == "multi" else y
    head = head_of("ensemble", 3, labels=labels, members=MEMBERS)
    fit(head, x, targets)
    for number, (member, (start, end)) in enumerate(zip(MEMBERS, SPANS, strict=True)):
        some = np.ascontiguousarray(x[:, start:end])
        alone = head_of(str(member["kind"]), 3, labels=labels)
        length = end - start
        alone.classifier.prepare = type(alone.classifier.prepare)(length, scale=True, pca=None)
        fit(alone, some, targets)
        np.testing.assert_array_equal(
            by_member(head, x, labels == "multi")[:, number], scores_of(alone, some), err_msg=str(member)
        )


@pytest.mark.parametrize("labels", ["single", "multi"])
def test_stacking__is_a_logistic_regression_on_the_members(labels: str) -> None:
    (x, y), (unseen, _) = clouds(90, 3, seed=0), clouds(50, 3, seed=1)
    multi = labels == "multi"
    head = head_of("ensemble", 3, labels=labels, members=MEMBERS, vote="stacking")
    chosen = fit(head, x, as_labels(y, 3) if multi else y)
    likely = by_member(head, unseen, multi).reshape(len(unseen), -1)
    outputs = head.weigher(torch.from_numpy(likely))
    np.testing.assert_allclose(scores_of(head, unseen), probabilities(outputs, multi=multi).numpy(), atol=1e-5)
    assert "stacking C" in chosen


def test_stacking__trusts_nobody_who_learnt_by_heart() -> None:
    """One neighbour is always right on what it has seen; here it knows nothing, and the other member all."""
    rng = np.random.default_rng(0)
    y = rng.integers(0, 2, 120)
    x = rng.normal(size=(120, 12)).astype(np.float32)
    x[:, 5:] += 1.0 * y[:, None]
    members = ({"kind": "knn", "stage": "stem"}, {"kind": "logistic", "stage": "stage1"})
    head = head_of("ensemble", 2, members=members, vote="stacking")
    fit(head, x, y)
    unseen, truth = rng.normal(size=(200, 12)).astype(np.float32), rng.integers(0, 2, 200)
    unseen[:, 5:] += 1.0 * truth[:, None]
    assert (scores_of(head, unseen).argmax(axis=1) == truth).mean() > 0.85


def test_stages__that_there_are_not_are_all_named() -> None:
    with pytest.raises(RecipeError) as caught:
        head_of("ensemble", 3, members=({"kind": "knn", "stage": "stage9"}, {"kind": "svm", "stage": -3}))
    first, second = caught.value.problems
    assert (first.where, first.hint) == ("head.members.0.stage", "did you mean 'stage1'?")
    assert second.what == "the backbone has no stage '-3', but stem, stage1"


def test_options__reach_the_members() -> None:
    members = ({"kind": "logistic", "pca": 3}, {"kind": "knn"})
    head = head_of("ensemble", 3, members=members, folds=3, class_weights={"a": 2.0})
    assert [member.prepare.pca for member in head.members] == [3, None]
    assert [member.family.class_weights for member in head.members] == [{"a": 2.0}, "none"]
    assert [member.family.options.folds for member in head.members] == [3, 3]


def test_members__every_fitted_head_but_the_ensemble_can_be_one() -> None:
    names = {name for name, spec in plugins().specs(HeadSpec).items() if spec.fitted}
    assert set(get_args(Member.model_fields["kind"].annotation)) == set(_KINDS) == names - {"ensemble"}


def test_members__at_least_two() -> None:
    with pytest.raises(ValueError, match="at least 2"):
        head_of("ensemble", 3, members=({"kind": "knn"},))
