"""Segmentation's own losses, summed, are MONAI's DiceCE, DiceFocal and Tversky: nobody needs them twice.

MONAI's `DiceFocalLoss` takes sigmoids for its focal part whatever it takes for Dice; its parts agree with Graft's.
"""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from monai.losses import DiceCELoss, DiceLoss, FocalLoss, TverskyLoss

from graft_segmentation.losses import Truth, total

CLASSES = 3
WHOLE_BATCH = {"softmax": True, "to_onehot_y": True, "batch": True}


@pytest.mark.parametrize(
    ("terms", "theirs"),
    [
        (
            {"cross-entropy": 1.0, "dice": 1.0},
            DiceCELoss(smooth_nr=1, smooth_dr=1, **WHOLE_BATCH),
        ),
        (
            {"focal": 1.0, "dice": 1.0},
            # MONAI's focal loss is the mean over pixels and classes, Graft's over pixels.
            lambda logits, masks: (
                DiceLoss(smooth_nr=1, smooth_dr=1, **WHOLE_BATCH)(logits, masks)
                + CLASSES * FocalLoss(gamma=2.0, use_softmax=True, to_onehot_y=True)(logits, masks)
            ),
        ),
        (
            {"tversky": 1.0},
            TverskyLoss(alpha=0.3, beta=0.7, smooth_nr=0.5, smooth_dr=0.5, **WHOLE_BATCH),
        ),
    ],
    ids=["DiceCE", "DiceFocal", "Tversky"],
)
def test_losses__are_those_of_monai(terms: dict[str, float], theirs: Callable[..., torch.Tensor]) -> None:
    draw = torch.Generator().manual_seed(0)
    logits = torch.randn(2, CLASSES, 8, 9, generator=draw)
    masks = torch.randint(0, CLASSES, (2, 8, 9), generator=draw, dtype=torch.uint8)
    own = total(logits, Truth.of(masks, torch.ones(CLASSES)), terms, focal=2.0, tversky=0.7)
    expected = theirs(logits, masks[:, None].long())
    assert float(sum(own.values())) == pytest.approx(float(expected), abs=1e-6)
