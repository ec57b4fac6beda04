"""Losses equal torch's, smp's and the paper's own formulas, and let void pixels alone."""

from __future__ import annotations

from typing import get_args

import numpy as np
import pytest
import torch
from segmentation_models_pytorch import losses as smp
from torch import nn

from graft_segmentation.losses import Truth, lovasz_loss, overlap_loss, pixel_loss, total
from graft_segmentation.masks import IGNORE
from graft_segmentation.options import Loss


@pytest.fixture
def single() -> tuple[torch.Tensor, torch.Tensor]:
    torch.manual_seed(0)
    masks = torch.randint(0, 3, (2, 8, 9), dtype=torch.uint8)
    masks[0, :2] = IGNORE
    return torch.randn(2, 3, 8, 9, requires_grad=True), masks


@pytest.fixture
def multi() -> tuple[torch.Tensor, torch.Tensor]:
    torch.manual_seed(1)
    return torch.randn(2, 3, 8, 9, requires_grad=True), torch.randint(0, 2, (2, 8, 9, 3), dtype=torch.uint8)


WEIGHTS = torch.tensor([1.0, 2.0, 0.5])


def test_cross_entropy__is_torchs(single) -> None:
    logits, masks = single
    ours = pixel_loss(logits, Truth.of(masks, WEIGHTS), focal=0)
    theirs = nn.functional.cross_entropy(logits, masks.long(), weight=WEIGHTS, ignore_index=IGNORE)
    assert ours.item() == pytest.approx(float(theirs), abs=1e-6)


def test_cross_entropy__of_several_labels(multi) -> None:
    logits, masks = multi
    ours = pixel_loss(logits, Truth.of(masks, torch.ones(3)), focal=0)
    theirs = nn.functional.binary_cross_entropy_with_logits(logits, masks.permute(0, 3, 1, 2).float())
    assert ours.item() == pytest.approx(float(theirs), abs=1e-6)


def test_focal__by_the_formula(single) -> None:
    logits, masks = single
    ours = pixel_loss(logits, Truth.of(masks, torch.ones(3)), focal=2)
    seen = masks != IGNORE
    p = logits.softmax(1).permute(0, 2, 3, 1)[seen].gather(1, masks[seen].long()[:, None])
    assert ours.item() == pytest.approx(float((-((1 - p) ** 2) * p.log()).mean()), abs=1e-6)


def test_dice_and_tversky__are_smps(multi) -> None:
    logits, masks = multi
    planes = masks.permute(0, 3, 1, 2)
    truth = Truth.of(masks, torch.ones(3))
    theirs = smp.DiceLoss("multilabel", smooth=0.5)(logits, planes)
    assert float(overlap_loss(logits, truth, missed=0.5)) == pytest.approx(float(theirs), abs=1e-6)
    theirs = smp.TverskyLoss("multilabel", smooth=0.5, alpha=0.3, beta=0.7)(logits, planes)
    assert float(overlap_loss(logits, truth, missed=0.7)) == pytest.approx(float(theirs), abs=1e-6)


def test_lovasz__is_smps(single) -> None:
    logits, masks = single
    theirs = smp.LovaszLoss("multiclass", ignore_index=IGNORE)(logits, masks.long())
    assert float(lovasz_loss(logits, Truth.of(masks, torch.ones(3)))) == pytest.approx(float(theirs), abs=1e-6)


@pytest.mark.parametrize("name", get_args(Loss))
@pytest.mark.parametrize("kind", ["single", "multi"])
def test_void_pixels_have_no_gradient_and_change_nothing(name: str, kind: str, request: pytest.FixtureRequest) -> None:
    logits, masks = request.getfixturevalue(kind)
    masks[0, :2] = IGNORE

    def loss(given: torch.Tensor) -> torch.Tensor:
        return total(given, Truth.of(masks, WEIGHTS), {name: 2.0}, focal=2, tversky=0.7)[name.replace("-", "_")]

    value = loss(logits)
    value.backward()
    assert not logits.grad[0, :, :2].any()
    assert logits.grad[0, :, 2:].any()
    changed = logits.detach().clone()
    changed[0, :, :2] = torch.randn(3, 2, 9) * 5
    assert float(loss(changed)) == pytest.approx(float(value), abs=1e-6)
    assert float(
        total(logits, Truth.of(masks, WEIGHTS), {name: 1.0}, focal=2, tversky=0.7)[name.replace("-", "_")]
    ) == (pytest.approx(float(value) / 2))


@pytest.mark.parametrize("name", get_args(Loss))
def test_a_batch_that_is_all_void(name: str) -> None:
    logits = torch.randn(1, 3, 4, 4, requires_grad=True)
    masks = torch.full((1, 4, 4), IGNORE, dtype=torch.uint8)
    (value,) = total(logits, Truth.of(masks, WEIGHTS), {name: 1.0}, focal=2, tversky=0.7).values()
    value.backward()
    assert torch.isfinite(value)
    assert np.isfinite(logits.grad.numpy()).all()


@pytest.mark.parametrize("name", get_args(Loss))
def test_right_is_better_than_wrong(name: str, single) -> None:
    _, masks = single
    truth = Truth.of(masks, torch.ones(3))
    right = 12 * truth.planes - 6
    good, bad = (total(x, truth, {name: 1.0}, focal=2, tversky=0.7)[name.replace("-", "_")] for x in (right, -right))
    assert good < 0.05 < bad
