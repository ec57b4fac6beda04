from __future__ import annotations

import numpy as np
import pytest
import torch
from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier

from graft_classification.classical.trees import Tree, Walk, _tree_of, _tree_of_histograms, rounded_down


def test_rounded_down__is_the_largest_float32_that_is_not_larger() -> None:
    near = np.float32(0.1)
    values = np.array([0.1, -0.1, float(near), 1e300, -1e-50, 0.0, 3.0])
    given = rounded_down(values)
    assert given.dtype == np.float32
    assert (given.astype(np.float64) <= values).all()
    with np.errstate(over="ignore"):
        above = np.nextafter(given, np.float32(np.inf)).astype(np.float64)
    assert (above > values).all()
    assert given[2] == near


def on_the_edge(thresholds: np.ndarray) -> np.ndarray:
    """Float32 numbers around each threshold: where rounding it to the nearest would go wrong."""
    near = thresholds.astype(np.float32)
    return np.concatenate([near, np.nextafter(near, np.float32(np.inf)), np.nextafter(near, np.float32(-np.inf))])


@pytest.fixture
def data() -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    x = rng.normal(size=(300, 3)).astype(np.float32)
    return x, (x[:, 0] * x[:, 1] + 0.3 * rng.normal(size=300) > 0).astype(int)


def test_walk__falls_into_the_same_leaves_as_a_forest(data: tuple[np.ndarray, np.ndarray]) -> None:
    forest = RandomForestClassifier(20, random_state=0).fit(*data)
    trees = [_tree_of(one.tree_) for one in forest.estimators_]
    walk = Walk()
    walk.take(trees)
    edges = on_the_edge(np.concatenate([tree.threshold[~tree.leaf] for tree in trees]))
    x = np.stack([edges, np.roll(edges, 1), np.roll(edges, 2)], axis=1)
    starts = walk.roots.numpy()
    assert np.array_equal(walk(torch.from_numpy(x)).numpy() - starts, forest.apply(x))
    assert len(walk.levels) == max(one.tree_.max_depth for one in forest.estimators_)


def test_walk__decides_as_boosting_does(data: tuple[np.ndarray, np.ndarray]) -> None:
    booster = HistGradientBoostingClassifier(max_iter=10, early_stopping=False).fit(*data)
    predictors = [one for (one,) in booster._predictors]
    trees = [_tree_of_histograms(one.nodes) for one in predictors]
    walk = Walk()
    walk.take(trees)
    edges = on_the_edge(np.concatenate([tree.threshold[~tree.leaf] for tree in trees]))
    x = np.stack([edges, np.roll(edges, 1), np.roll(edges, 2)], axis=1)
    values = np.concatenate([one.nodes["value"] for one in predictors])
    given = values[walk(torch.from_numpy(x)).numpy()].sum(axis=1) + booster._baseline_prediction.item()
    np.testing.assert_allclose(given, booster._raw_predict(x.astype(np.float64)).ravel(), atol=1e-12)


def test_tree__depth_of_a_chain() -> None:
    leaf = np.array([False, True, False, True, True])
    tree = Tree(
        feature=np.zeros(5, int),
        threshold=np.zeros(5),
        left=np.array([1, 0, 3, 0, 0]),
        right=np.array([2, 0, 4, 0, 0]),
        leaf=leaf,
    )
    assert tree.depth() == 2
    assert Tree(np.zeros(1), np.zeros(1), np.zeros(1), np.zeros(1), np.ones(1, bool)).depth() == 0
