"""Random forests and gradient boosting: all trees in one table, walked by as many steps as the deepest is deep."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from graft_classification import outputs
from graft_classification.classical.family import NEVER, Family, Floats, Labels, always, questions
from graft_classification.classical.options import BoostingOptions, ForestOptions


@dataclass(frozen=True)
class Tree:
    """The nodes of one tree, the root first.

    Args:
        feature: `(n,)`, which entry a node looks at.
        threshold: `(n,)` float64; an entry that is not larger goes left.
        left: `(n,)`, the node to go to; a leaf's is anything.
        right: `(n,)`, likewise.
        leaf: `(n,)`, whether a node is one.
    """

    feature: NDArray[Any]
    threshold: NDArray[np.float64]
    left: NDArray[Any]
    right: NDArray[Any]
    leaf: NDArray[np.bool_]

    def depth(self) -> int:
        """Return the number of steps to the farthest leaf."""
        depths = np.zeros(len(self.leaf), dtype=np.int64)
        waiting = [0]
        while waiting:
            node = waiting.pop()
            if not self.leaf[node]:
                for child in (int(self.left[node]), int(self.right[node])):
                    depths[child] = depths[node] + 1
                    waiting.append(child)
        return int(depths.max())


class Walk(nn.Module):
    """Finds the leaf of each tree that a description falls into.

    scikit-learn compares entries with float64 thresholds. An entry in float32 is not larger than a threshold exactly if
    it is not larger than the largest float32 that is not: with that one, every decision is the same.
    """

    feature: Tensor
    threshold: Tensor
    ways: Tensor
    roots: Tensor
    levels: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("feature", torch.zeros(1, dtype=torch.int32))
        self.register_buffer("threshold", torch.zeros(1))
        self.register_buffer("ways", torch.zeros(1, 2, dtype=torch.int32))
        self.register_buffer("roots", torch.zeros(1, dtype=torch.int32))
        # One entry for each step. Their number is a shape, which is known where a model is traced; a value is not.
        self.register_buffer("levels", torch.zeros(1))

    def take(self, trees: Sequence[Tree]) -> None:
        """Take trees, in order."""
        sizes = [len(tree.leaf) for tree in trees]
        starts = np.cumsum([0, *sizes[:-1]])
        leaf = np.concatenate([tree.leaf for tree in trees])
        itself = np.arange(len(leaf))
        left = np.concatenate([tree.left + start for tree, start in zip(trees, starts, strict=True)])
        right = np.concatenate([tree.right + start for tree, start in zip(trees, starts, strict=True)])
        # A leaf leads to itself: who has arrived early waits.
        ways = np.stack([np.where(leaf, itself, left), np.where(leaf, itself, right)], axis=1)
        feature = np.where(leaf, 0, np.concatenate([tree.feature for tree in trees]))
        threshold = np.where(leaf, 0.0, np.concatenate([tree.threshold for tree in trees]))
        self.feature = torch.from_numpy(feature).to(self.feature)
        self.threshold = torch.from_numpy(rounded_down(threshold)).to(self.threshold)
        self.ways = torch.from_numpy(ways).to(self.ways)
        self.roots = torch.from_numpy(starts).to(self.roots)
        self.levels = torch.zeros(max(tree.depth() for tree in trees)).to(self.levels)

    def forward(self, x: Tensor) -> Tensor:
        """Return the leaves `(B, T)`, as places in the table, for descriptions `(B, D)`. Traceable."""
        node = self.roots.long().unsqueeze(0).expand(x.shape[0], -1)
        for _ in range(len(self.levels)):
            entry = x.gather(1, self.feature[node].long())
            left, right = self.ways[node].long().unbind(dim=2)
            node = torch.where(entry <= self.threshold[node], left, right)
        return node


def rounded_down(values: NDArray[np.float64]) -> NDArray[np.float32]:
    """Return the largest float32 numbers that are not larger than `values`."""
    with np.errstate(over="ignore"):
        near = values.astype(np.float32)
    return np.where(near > values, np.nextafter(near, np.float32(-np.inf)), near)


class Forest(Family):
    """A random forest (Breiman 2001): the mean of what the trees' leaves saw."""

    shares: Tensor

    def __init__(self, classes: Sequence[str], *, multi: bool, options: ForestOptions) -> None:
        super().__init__(classes, multi=multi, options=options)
        self.walk = Walk()
        self.register_buffer("shares", torch.zeros(1, len(classes)))

    def grid(self, x: Floats) -> list[dict[str, Any]]:
        """Return the sizes of leaves."""
        return [{"leaf": leaf} for leaf in self.options.leaf]

    def learn(self, x: Floats, y: Labels, values: Mapping[str, Any], seed: int) -> None:
        """Fit a forest; one for all labels of a multi-label task."""
        from sklearn.ensemble import RandomForestClassifier

        n = len(self.classes)
        if self.multi:
            y = y.astype(np.int64) if n > 1 else y[:, 0].astype(np.int64)
        forest = RandomForestClassifier(
            self.options.trees,
            min_samples_leaf=values["leaf"],
            class_weight=self._weights_of_answers() if self.multi else self.of_classes(y),
            random_state=seed % 2**32,
            n_jobs=-1,
        ).fit(x, y)
        trees = [estimator.tree_ for estimator in forest.estimators_]
        self.walk.take([_tree_of(tree) for tree in trees])
        seen = np.concatenate([tree.value for tree in trees])
        seen = seen / seen.sum(axis=2, keepdims=True)
        shares = np.zeros((len(seen), n))
        if self.multi:
            for index, answers in enumerate(forest.classes_ if n > 1 else [forest.classes_]):
                # A label that all images show, or none does, has one answer.
                shares[:, index] = seen[:, index, : len(answers)] @ answers
        else:
            shares[:, forest.classes_] = seen[:, 0]
        self.keep(shares=shares)

    def _weights_of_answers(self) -> Any:
        weights = [self.of_answers(index) for index in range(len(self.classes))]
        return weights if isinstance(weights[0], dict) and len(weights) > 1 else weights[0]

    def decide(self, x: Tensor) -> Tensor:
        """Return the logits of the mean share."""
        return outputs.logits(self.shares[self.walk(x)].mean(dim=1), multi=self.multi)


def _tree_of(tree: Any) -> Tree:
    return Tree(
        feature=tree.feature,
        threshold=tree.threshold,
        left=tree.children_left,
        right=tree.children_right,
        leaf=tree.children_left < 0,
    )


class Boosting(Family):
    """Gradient boosting (Friedman 2001) on histograms: a sum of trees, for each class or for each label."""

    values: Tensor
    spread: Tensor
    start: Tensor

    def __init__(self, classes: Sequence[str], *, multi: bool, options: BoostingOptions) -> None:
        super().__init__(classes, multi=multi, options=options)
        self.walk = Walk()
        self.register_buffer("values", torch.zeros(1))
        self.register_buffer("spread", torch.zeros(1, len(classes)))
        self.register_buffer("start", torch.zeros(len(classes)))

    def grid(self, x: Floats) -> list[dict[str, Any]]:
        """Return the sizes of trees with each rate."""
        return [{"leaves": leaves, "rate": rate} for leaves in self.options.leaves for rate in self.options.rate]

    def learn(self, x: Floats, y: Labels, values: Mapping[str, Any], seed: int) -> None:
        """Fit the trees; there are as many sums as `spread` has rows, and it says which classes each one speaks for."""
        n = len(self.classes)
        start = np.full(n, NEVER)
        sums: list[list[Any]] = []
        rows: list[NDArray[np.float64]] = []
        if self.multi:
            for index, shown in questions(y, n):
                if shown is None:
                    start[index] = -NEVER if always(y, index) else NEVER
                    continue
                booster = self._booster(values, self.of_answers(index), seed).fit(x, shown)
                start[index] = booster._baseline_prediction.item()
                sums += _sums(booster)
                rows.append(np.eye(n)[index])
        elif len(known := np.unique(y)) == 1:
            start[known] = 0.0
        else:
            booster = self._booster(values, self.of_classes(y), seed).fit(x, y)
            sums = _sums(booster)
            start[known] = 0.0
            # Of two classes, there is one sum, which speaks for the second.
            spoken = known if len(sums) > 1 else known[1:]
            start[spoken] = booster._baseline_prediction.ravel()
            rows = list(np.eye(n)[spoken])
        if not sums:
            sums, rows = [[_Stump()]], [np.zeros(n)]
        # As many trees in each sum: first those of the first round.
        predictors = [predictor for each in zip(*sums, strict=True) for predictor in each]
        self.walk.take([_tree_of_histograms(predictor.nodes) for predictor in predictors])
        leaves = np.concatenate([predictor.nodes["value"] for predictor in predictors])
        self.keep(values=leaves, spread=np.stack(rows), start=start)

    def _booster(self, values: Mapping[str, Any], weights: Any, seed: int) -> Any:
        from sklearn.ensemble import HistGradientBoostingClassifier

        return HistGradientBoostingClassifier(
            max_iter=self.options.iterations,
            learning_rate=values["rate"],
            max_leaf_nodes=values["leaves"],
            min_samples_leaf=self.options.leaf,
            class_weight=weights,
            early_stopping=False,
            random_state=seed % 2**32,
        )

    def decide(self, x: Tensor) -> Tensor:
        """Return the sums of the leaves' values, as logits."""
        found = self.values[self.walk(x)].reshape(x.shape[0], -1, self.spread.shape[0])
        return found.sum(dim=1) @ self.spread + self.start


_NODE = [("feature_idx", int), ("num_threshold", float), ("left", int), ("right", int), ("is_leaf", bool)]


class _Stump:
    """A tree that says nothing."""

    nodes = np.array([(0, 0.0, 0, 0, True, 0.0)], dtype=[*_NODE, ("value", float)])


def _sums(booster: Any) -> list[list[Any]]:
    """Return the trees of each sum, in the order of the rounds."""
    return [list(trees) for trees in zip(*booster._predictors, strict=True)]


def _tree_of_histograms(nodes: NDArray[Any]) -> Tree:
    return Tree(
        feature=nodes["feature_idx"].astype(np.int64),
        threshold=nodes["num_threshold"].astype(np.float64),
        left=nodes["left"].astype(np.int64),
        right=nodes["right"].astype(np.int64),
        leaf=nodes["is_leaf"].astype(bool),
    )
