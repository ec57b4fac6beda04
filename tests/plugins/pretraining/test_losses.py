from __future__ import annotations

import math

import pytest
import torch

from graft_pretraining import losses


@pytest.fixture
def views() -> tuple[torch.Tensor, torch.Tensor]:
    draw = torch.Generator().manual_seed(0)
    return torch.randn(5, 7, generator=draw), torch.randn(5, 7, generator=draw)


def test_nt_xent__is_equation_1_of_the_paper(views):
    rows = [row / row.norm() for view in views for row in view]
    total = 0.0
    for i, row in enumerate(rows):
        likeness = [math.exp(float(row @ other) / 0.2) for other in rows]
        total -= math.log(likeness[(i + 5) % 10] / sum(one for k, one in enumerate(likeness) if k != i))
    assert float(losses.nt_xent(*views, temperature=0.2)) == pytest.approx(total / 10, rel=1e-5)


def test_nt_xent__small_where_views_of_one_image_alone_are_alike():
    own = torch.eye(4)
    assert losses.nt_xent(own, own, temperature=0.1) < 0.01
    assert losses.nt_xent(own, own.roll(1, 0), temperature=0.1) > 5


def test_vicreg__terms_are_those_of_the_paper(views):
    first, second = views
    rows = first.tolist()
    n, d = 5, 7
    mean = [sum(row[j] for row in rows) / n for j in range(d)]

    def covariance(i: int, j: int) -> float:
        return sum((row[i] - mean[i]) * (row[j] - mean[j]) for row in rows) / (n - 1)

    lack = sum(max(0.0, 1 - math.sqrt(covariance(j, j) + 1e-4)) for j in range(d)) / d
    common = sum(covariance(i, j) ** 2 for i in range(d) for j in range(d) if i != j) / d
    apart = sum((a - b) ** 2 for a, b in zip(first.flatten().tolist(), second.flatten().tolist(), strict=True)) / n / d
    assert float(losses.lack_of_variance(first)) == pytest.approx(lack, rel=1e-4)
    assert float(losses.covariance(first)) == pytest.approx(common, rel=1e-4)
    assert float(losses.invariance(first, second)) == pytest.approx(apart, rel=1e-5)


@pytest.mark.parametrize(
    "loss",
    [
        lambda one: losses.nt_xent(one, one * 2, temperature=0.2),
        lambda one: losses.lack_of_variance(one) + losses.covariance(one),
    ],
)
@pytest.mark.parametrize("images", [1, 2])
def test_losses__are_finite_for_a_last_batch_of_one_image(loss, images):
    one = torch.randn(images, 6, generator=torch.Generator().manual_seed(0)).requires_grad_()
    value = loss(one)
    value.backward()
    assert math.isfinite(value.item())
    assert torch.isfinite(one.grad).all()
