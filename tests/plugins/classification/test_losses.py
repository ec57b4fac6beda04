from __future__ import annotations

import numpy as np
import pytest
import torch
from sklearn.utils.class_weight import compute_class_weight
from torch.nn import functional as F

from graft.errors import RecipeError
from graft_classification.losses import BinaryCrossEntropy, CrossEntropy

CLASSES = ("cat", "dog", "bird")
LOGITS = torch.tensor([[2.0, 0.5, -1.0], [0.1, 0.2, 0.3]])


def test_cross_entropy__plain() -> None:
    loss = CrossEntropy(CLASSES, smoothing=0.0, weights="none")
    targets = torch.tensor([0, 2])
    loss.prepare([0, 0, 1])
    assert loss(LOGITS, targets) == F.cross_entropy(LOGITS, targets)


def test_cross_entropy__indices_and_shares_agree() -> None:
    loss = CrossEntropy(CLASSES, smoothing=0.1, weights="none")
    targets = torch.tensor([0, 2])
    torch.testing.assert_close(loss(LOGITS, targets), loss(LOGITS, F.one_hot(targets, 3).float()))


def test_cross_entropy__balanced_as_sklearn() -> None:
    loss = CrossEntropy(CLASSES, smoothing=0.0, weights="balanced")
    targets = np.array([0] * 7 + [1] * 2 + [2])
    loss.prepare(list(targets))
    expected = compute_class_weight("balanced", classes=np.arange(3), y=targets)
    np.testing.assert_allclose(loss.weight, expected, rtol=1e-6)


def test_cross_entropy__a_class_counts_as_it_is_weighted() -> None:
    loss = CrossEntropy(CLASSES, smoothing=0.0, weights={"dog": 3.0})
    one, other = (F.cross_entropy(LOGITS[i : i + 1], torch.tensor([i])) for i in (0, 1))
    torch.testing.assert_close(loss(LOGITS, torch.tensor([0, 1])), (one + 3 * other) / 4)


def test_binary__balanced_by_images_without_and_with() -> None:
    loss = BinaryCrossEntropy(CLASSES, smoothing=0.0, weights="balanced")
    loss.prepare([np.array(row, dtype=np.float32) for row in ([1, 0, 1], [0, 0, 1], [0, 0, 1], [0, 1, 1])])
    assert loss.weight.tolist() == [3, 3, 0.25]


def test_binary__smoothing_moves_the_minimum_inwards() -> None:
    loss = BinaryCrossEntropy(("a",), smoothing=0.2, weights="none")
    best = torch.logit(torch.tensor([[0.9]]))
    at_best = loss(best, torch.ones(1, 1))
    assert at_best < loss(best + 0.1, torch.ones(1, 1))
    assert at_best < loss(best - 0.1, torch.ones(1, 1))


@pytest.mark.parametrize("kind", [CrossEntropy, BinaryCrossEntropy])
def test_weights_are_part_of_the_state(kind: type) -> None:
    """A resumed run goes on with the weights that the first one prepared."""
    first = kind(CLASSES, smoothing=0.0, weights="balanced")
    first.weight.fill_(7)
    second = kind(CLASSES, smoothing=0.0, weights="balanced")
    second.load_state_dict(first.state_dict())
    assert second.weight.tolist() == [7, 7, 7]


@pytest.mark.parametrize("kind", [CrossEntropy, BinaryCrossEntropy])
def test_weights_of_an_unknown_class(kind: type) -> None:
    with pytest.raises(RecipeError, match=r"head.class_weights.dgo.*did you mean 'dog'"):
        kind(CLASSES, smoothing=0.0, weights={"dgo": 2.0, "cat": 1.0})
