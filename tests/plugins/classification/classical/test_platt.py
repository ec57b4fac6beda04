from __future__ import annotations

import numpy as np
import pytest
import torch
from sklearn.calibration import _SigmoidCalibration

from clouds import fit, head_of, scores_of
from graft_classification.classical.platt import Platt, sigmoid_of


@pytest.mark.parametrize("size", [1e-3, 1.0, 1e4])
@pytest.mark.parametrize("positives", [3, 60])
def test_sigmoid_of__is_scikit_learns(positives: int, size: float) -> None:
    rng = np.random.default_rng(0)
    shown = (np.arange(200) < positives).astype(np.int64)
    decisions = size * (rng.normal(size=200) + 2 * shown - 1)
    slope, offset = sigmoid_of(decisions, shown)
    peer = _SigmoidCalibration().fit(decisions, shown)
    wanted = peer.predict(decisions)
    np.testing.assert_allclose(1 / (1 + np.exp(-(slope * decisions + offset))), wanted, atol=1e-4)


def test_sigmoid_of__few_images_are_no_certainty() -> None:
    slope, offset = sigmoid_of(np.array([-1.0, -1.0, 1.0, 1.0]), np.array([0, 0, 1, 1]))
    likely = 1 / (1 + np.exp(-(slope + offset)))
    assert likely == pytest.approx(3 / 4, abs=1e-4), "(n + 1) / (n + 2), as Platt has it"


def test_platt__again_forgets_what_was_learnt_before() -> None:
    platt = Platt(2, multi=True)
    decisions = torch.randn(50, 2, generator=torch.Generator().manual_seed(0))
    shown = (decisions > 0).numpy()
    platt.learn(decisions, shown)
    assert (platt.slope > 1).all()
    platt.learn(decisions, np.stack([shown[:, 0], np.ones(50, bool)], axis=1))
    assert platt.slope[1] == 1


@pytest.mark.parametrize("kind", ["linear-svm", "svm"])
def test_svm__scores_are_learnt_from_images_that_were_left_out(kind: str) -> None:
    """On noise, a machine that fits every image by heart is sure of nothing."""
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(80, 12)).astype(np.float32), rng.integers(0, 2, 80)
    head = head_of(kind, 2, C=(10.0,))
    fit(head, x, y)
    assert np.abs(scores_of(head, x) - 0.5).max() < 0.35
