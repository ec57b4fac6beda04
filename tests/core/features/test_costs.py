from __future__ import annotations

import pytest
import torch
from torch import nn

from graft.backbones.contract import Backbone, BackboneInfo, StageInfo
from graft.features.costs import measure_costs
from graft.preprocess import Preprocess

CPU = torch.device("cpu")
SIDE = 16
WIDE = 1000


def network(*, pause: float = 0.0) -> Backbone:
    """A convolution 3 → 4 and one 4 → 8 that halves the side, a norm between them; a wide linear layer at the end."""
    first = nn.Sequential(nn.Conv2d(3, 4, 3, padding=1), nn.BatchNorm2d(4))
    second = nn.Sequential(nn.Conv2d(4, 8, 3, stride=2, padding=1, bias=False), Pause(pause))
    return Backbone(
        stages=[first, second],
        tail=nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(1), nn.Linear(8, WIDE)),
        info=BackboneInfo(
            stages=(StageInfo(name="stem", channels=4, reduction=1), StageInfo(name="stage1", channels=8, reduction=2)),
            embed_dim=WIDE,
        ),
        preprocess=Preprocess(size=(SIDE, SIDE)),
    )


class Pause(nn.Module):
    def __init__(self, seconds: float) -> None:
        super().__init__()
        self.seconds = seconds

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        import time

        time.sleep(self.seconds)
        return x


def test_measure_costs__counted_by_hand() -> None:
    costs = measure_costs(network(), CPU)
    first, norm, second = 3 * 4 * 9 + 4, 2 * 4, 4 * 8 * 9
    assert costs.parameters == first + norm + second + 9 * WIDE
    assert costs.flops == 2 * (3 * 4 * 9 * SIDE**2 + 4 * 8 * 9 * (SIDE // 2) ** 2 + 8 * WIDE)
    buffers = 4 * (4 + 4) + 8  # running mean and variance, and a counter of int64
    maps = 4 * 4 * SIDE**2
    # The most at once: what the first convolution gives and its norm makes of it.
    assert costs.memory == pytest.approx(4 * costs.parameters + buffers + 2 * maps, abs=64)


def test_measure_costs__latency_is_what_a_clock_says() -> None:
    quick, slow = measure_costs(network(), CPU).latency, measure_costs(network(pause=0.02), CPU).latency
    assert 0 < quick < 0.02
    assert 0.02 <= slow < 0.04


def test_measure_costs__changes_nothing() -> None:
    backbone = network()
    before = {name: tensor.clone() for name, tensor in backbone.state_dict().items()}
    measure_costs(backbone.train(), CPU)
    assert all(torch.equal(before[name], tensor) for name, tensor in backbone.state_dict().items())
    assert not backbone.training


def test_measure_costs__as_published() -> None:
    from torchvision.models import MobileNet_V2_Weights

    from graft.backbones.torchvision_source import TorchvisionSource

    costs = measure_costs(TorchvisionSource().build("mobilenet_v2"), CPU)
    meta = MobileNet_V2_Weights.IMAGENET1K_V1.meta
    classifier = 1280 * 1000
    assert costs.parameters == meta["num_params"] - classifier - 1000
    assert costs.flops / 2 == pytest.approx(meta["_ops"] * 1e9 - classifier, rel=2e-3)
