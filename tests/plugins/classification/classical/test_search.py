from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from clouds import KINDS, clouds, fit, head_of, scores_of
from graft_classification.classical.classifier import Classifier
from graft_classification.classical.search import balanced_accuracy, divided, rarest


def test_divided__every_image_is_left_out_once_and_classes_keep_their_shares() -> None:
    y = np.repeat([0, 1, 2], [40, 20, 10])
    parts = divided(y, 3, groups=None, folds=5, seed=0)
    assert sorted(np.concatenate([test for _, test in parts])) == list(range(70))
    for train, test in parts:
        assert not set(train) & set(test)
        assert np.bincount(y[test]).tolist() == [8, 4, 2]


def test_divided__groups_stay_together() -> None:
    y = np.arange(60) % 3
    groups = [f"patient {i // 6}" for i in range(60)]
    parts = divided(y, 3, groups=groups, folds=5, seed=0)
    assert len(parts) == 5
    for train, test in parts:
        assert not {groups[i] for i in train} & {groups[i] for i in test}


def test_divided__as_many_folds_as_there_can_be() -> None:
    assert len(divided(np.array([0, 0, 0, 1]), 2, groups=None, folds=5, seed=0)) == 3
    assert len(divided(np.array([0, 0, 0, 0]), 2, groups=["a", "a", "b", "b"], folds=5, seed=0)) == 2
    assert divided(np.array([0, 1]), 2, groups=None, folds=5, seed=0) == []
    assert divided(np.array([0, 0, 1, 1]), 2, groups=["a"] * 4, folds=5, seed=0) == []


def test_rarest__is_the_label_that_a_division_can_lose() -> None:
    shown = np.array([[1, 1, 0], [1, 0, 0], [1, 0, 1], [0, 0, 0]], bool)
    assert rarest(shown).tolist() == [1, 0, 2, 3]


def test_balanced_accuracy__is_the_tasks() -> None:
    y = np.array([0, 0, 0, 1])
    assert balanced_accuracy(y, np.zeros(4, int), "ab", multi=False) == 0.5
    mask = np.array([[1, 0], [0, 0], [1, 1], [0, 1]], bool)
    assert balanced_accuracy(mask, mask, "ab", multi=True) == 1.0
    assert balanced_accuracy(mask, np.ones_like(mask), "ab", multi=True) == 0.5


@pytest.mark.parametrize("kind", KINDS)
def test_fit__chosen_is_what_did_best_on_what_was_left_out(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[list[torch.Tensor]] = []
    left_out = Classifier._left_out

    def remember(self: Any, *arguments: Any) -> list[torch.Tensor]:
        seen.append(left_out(self, *arguments))
        return seen[-1]

    monkeypatch.setattr(Classifier, "_left_out", remember)
    x, y = clouds(80, 3, seed=0)
    y[::5] = (y[::5] + 1) % 3  # so that nothing is always right
    head = head_of(kind, 3)
    chosen = fit(head, x, y)
    scores = [balanced_accuracy(y, each.argmax(dim=1).numpy(), "abc", multi=False) for each in seen[0]]
    assert chosen["cross-validated balanced accuracy"] == max(scores) < 1
    grid = head.classifier.family.grid(x)
    best = grid[int(np.argmax(scores))]
    assert {name: chosen[name] for name in best} == best


@pytest.mark.parametrize("kind", KINDS)
def test_fit__a_fold_is_judged_by_what_never_saw_it(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither scaling nor components nor the estimator: what is left out may be anything."""
    x, y = clouds(60, 3, seed=0)
    asked: list[Any] = []
    prepare_learn = head_of(kind, 3).classifier.prepare.__class__.learn

    def remember(self: Any, some: Any, seed: int) -> Any:
        asked.append(some)
        return prepare_learn(self, some, seed)

    head = head_of(kind, 3, pca=4, folds=3)
    monkeypatch.setattr(head.classifier.prepare.__class__, "learn", remember)
    given: list[Any] = []
    family_learn = type(head.classifier.family).learn

    def learn(self: Any, some: Any, labels: Any, values: Any, seed: int) -> None:
        given.append(some)
        family_learn(self, some, labels, values, seed)

    monkeypatch.setattr(type(head.classifier.family), "learn", learn)
    fit(head, x, y)
    assert [len(some) for some in asked] == [60, 40, 40, 40, 60]
    assert {len(some) for some in given[:-1]} == {40}
    assert len(given[-1]) == 60


def test_fit__groups_reach_the_folds() -> None:
    """Ten copies of each image: only a division by group finds out that one neighbour is learning by heart."""
    rng = np.random.default_rng(0)
    x = np.repeat(rng.normal(size=(12, 12)), 10, axis=0).astype(np.float32)
    y = np.repeat(rng.integers(0, 2, 12), 10)
    groups = [f"scene {i // 10}" for i in range(120)]
    alone = fit(head_of("knn", 2, neighbours=(1,)), x, y)
    together = fit(head_of("knn", 2, neighbours=(1,)), x, y, groups=groups)
    assert alone["cross-validated balanced accuracy"] == 1.0
    assert together["cross-validated balanced accuracy"] < 0.8


@pytest.mark.parametrize("kind", KINDS)
def test_fit__says_so_when_nothing_can_be_left_out(kind: str) -> None:
    x, y = clouds(40, 3, seed=0)
    head = head_of(kind, 3)
    chosen = fit(head, x, y, groups=["one"] * 40)
    assert chosen["cross-validated"] == "no (too few images or groups)"
    grid = head.classifier.family.grid(x)
    assert {name: chosen[name] for name in grid[0]} == grid[len(grid) // 2]
    assert scores_of(head, x).std() > 0.1


def test_fit__of_equals_the_most_careful() -> None:
    x = np.concatenate([np.full((20, 12), -1.0), np.full((20, 12), 1.0)]).astype(np.float32)
    x += np.random.default_rng(0).normal(scale=0.01, size=x.shape).astype(np.float32)
    y = np.repeat([0, 1], 20)
    assert fit(head_of("logistic", 2), x, y)["C"] == 1e-4
    assert fit(head_of("knn", 2), x, y)["neighbours"] == 20


def test_fit__without_scaling_the_largest_entry_decides() -> None:
    rng = np.random.default_rng(0)
    y = rng.integers(0, 2, 80)
    x = rng.normal(size=(80, 12)).astype(np.float32)
    x[:, 0] += 4 * y
    x[:, 1] *= 1000
    right = {
        scale: (scores_of(_fitted(x, y, scale), x[:40] + 0.01).argmax(axis=1) == y[:40]).mean()
        for scale in (True, False)
    }
    assert fit(head_of("knn", 2), x, y)["cross-validated balanced accuracy"] > 0.85
    assert fit(head_of("knn", 2, scale=False), x, y)["cross-validated balanced accuracy"] < 0.7
    assert right[True] > 0.9


def _fitted(x: Any, y: Any, scale: bool) -> Any:
    head = head_of("knn", 2, scale=scale)
    fit(head, x, y)
    return head
