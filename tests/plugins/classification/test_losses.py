from __future__ import annotations

import numpy as np
import pytest
import torch
from sklearn.utils.class_weight import compute_class_weight
from torch.nn import functional as F
from torchvision.ops import sigmoid_focal_loss

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


@pytest.mark.parametrize("focus", [0.5, 1.0, 2.0])
def test_binary__focus_as_torchvision_has_it(focus: float) -> None:
    loss = BinaryCrossEntropy(CLASSES, smoothing=0.0, weights="none", focus=focus)
    targets = torch.tensor([[1.0, 0.0, 1.0], [0.0, 0.0, 1.0]])
    expected = sigmoid_focal_loss(LOGITS, targets, alpha=-1, gamma=focus, reduction="mean")
    torch.testing.assert_close(loss(LOGITS, targets), expected, rtol=1e-6, atol=1e-7)


def test_cross_entropy__focus_by_hand() -> None:
    loss = CrossEntropy(CLASSES, smoothing=0.1, weights={"dog": 3.0}, focus=2.0)
    targets, weights = [0, 1], [1.0, 3.0, 1.0]
    total = 0.0
    for logits, target in zip(LOGITS.double().tolist(), targets, strict=True):
        scores = np.exp(logits) / np.exp(logits).sum()
        for index, score in enumerate(scores):
            share = 0.9 * (index == target) + 0.1 / 3
            total -= weights[index] * share * (1 - score) ** 2 * np.log(score)
    expected = total / sum(weights[target] for target in targets)
    assert float(loss(LOGITS, torch.tensor(targets))) == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize("shares", [False, True])
def test_cross_entropy__a_focus_of_almost_nothing_is_none(shares: bool) -> None:
    plain, focused = (CrossEntropy(CLASSES, smoothing=0.1, weights={"dog": 3.0}, focus=focus) for focus in (0.0, 1e-7))
    targets = torch.tensor([[0.2, 0.8, 0.0], [0.0, 0.5, 0.5]]) if shares else torch.tensor([1, 2])
    torch.testing.assert_close(focused(LOGITS, targets), plain(LOGITS, targets), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(
    ("kind", "targets"),
    [(CrossEntropy, torch.tensor([0, 0])), (BinaryCrossEntropy, torch.tensor([[1.0, 0, 0], [1.0, 0, 0]]))],
)
def test_focus__counts_what_is_nearly_right_less(kind: type, targets: torch.Tensor) -> None:
    logits = torch.tensor([[6.0, -6.0, -6.0], [-1.0, -6.0, 1.0]])
    shares = []
    for focus in (0.0, 2.0):
        loss = kind(CLASSES, smoothing=0.0, weights="none", focus=focus)
        easy, hard = (float(loss(logits[i : i + 1], targets[i : i + 1])) for i in (0, 1))
        shares.append(easy / hard)
    assert shares[1] < 0.01 * shares[0]


@pytest.mark.parametrize("focus", [0.5, 2.0])
@pytest.mark.parametrize(
    ("kind", "targets"), [(CrossEntropy, torch.tensor([0])), (BinaryCrossEntropy, torch.tensor([[1.0, 0, 0]]))]
)
def test_focus__a_score_of_one_has_a_gradient(kind: type, targets: torch.Tensor, focus: float) -> None:
    logits = torch.tensor([[200.0, 0.0, -200.0]], requires_grad=True)
    kind(CLASSES, smoothing=0.0, weights="none", focus=focus)(logits, targets).backward()
    assert torch.isfinite(logits.grad).all()


@pytest.mark.parametrize("shares", [False, True])
def test_cross_entropy__without_focus_is_torchs_to_the_last_bit(shares: bool) -> None:
    loss = CrossEntropy(CLASSES, smoothing=0.1, weights={"dog": 3.0}, focus=0.0)
    targets = torch.tensor([[0.2, 0.8, 0.0], [0.0, 0.5, 0.5]]) if shares else torch.tensor([1, 2])
    assert loss(LOGITS, targets) == F.cross_entropy(LOGITS, targets, weight=loss.weight, label_smoothing=0.1)


def test_binary__without_focus_is_torchs_to_the_last_bit() -> None:
    loss = BinaryCrossEntropy(CLASSES, smoothing=0.2, weights={"dog": 3.0}, focus=0.0)
    targets = torch.tensor([[1.0, 0.0, 1.0], [0.0, 1.0, 0.0]])
    expected = F.binary_cross_entropy_with_logits(LOGITS, targets * 0.8 + 0.1, pos_weight=loss.weight)
    assert loss(LOGITS, targets) == expected


def test_binary__focus_by_hand_with_smoothing_and_weights() -> None:
    loss = BinaryCrossEntropy(CLASSES, smoothing=0.2, weights={"dog": 3.0}, focus=2.0)
    targets = torch.tensor([[1.0, 0.0, 1.0], [0.0, 1.0, 0.0]])
    total = 0.0
    for logits, row in zip(LOGITS.double().tolist(), targets.tolist(), strict=True):
        for logit, yes, weight in zip(logits, row, (1.0, 3.0, 1.0), strict=True):
            score, share = 1 / (1 + np.exp(-logit)), 0.9 if yes else 0.1
            term = weight * share * -np.log(score) + (1 - share) * -np.log(1 - score)
            total += (share * (1 - score) + (1 - share) * score) ** 2 * term
    assert float(loss(LOGITS, targets)) == pytest.approx(total / 6, rel=1e-6)


@pytest.mark.parametrize("focus", [0.0, 2.0])
def test_cross_entropy__losses_of_both_targets_of_a_mixed_batch_are_that_of_their_shares(focus: float) -> None:
    """Training adds them up; with the same classes in another order, the weighted mean is over the same images."""
    loss = CrossEntropy(CLASSES, smoothing=0.1, weights="none", focus=focus)
    own, others = torch.tensor([0, 2]), torch.tensor([2, 0])
    both = 0.3 * loss(LOGITS, own) + 0.7 * loss(LOGITS, others)
    torch.testing.assert_close(both, loss(LOGITS, 0.3 * F.one_hot(own, 3) + 0.7 * F.one_hot(others, 3)))
