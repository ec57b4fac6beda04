from __future__ import annotations

import copy

import pytest
import torch
from torch import nn

from graft.strategies.shift import shift
from shades import small_model


@pytest.fixture(scope="module")
def natural() -> torch.Tensor:
    return torch.rand(64, 3, 16, 16, generator=torch.Generator().manual_seed(0))


@pytest.fixture(scope="module")
def model(natural: torch.Tensor):
    """A network whose batch norms remember `natural`."""
    torch.manual_seed(0)
    model = small_model()
    for layer in model.modules():
        if isinstance(layer, nn.BatchNorm2d):
            layer.momentum = None
        if isinstance(layer, nn.Dropout):
            layer.p = 0.0
    model.train()
    with torch.no_grad():
        for _ in range(3):
            for layer in model.modules():
                if isinstance(layer, nn.BatchNorm2d):
                    layer.reset_running_stats()
            model(natural)
    return model.eval()


def test_shift__is_nothing_for_what_it_was_trained_on(model, natural: torch.Tensor) -> None:
    assert shift(model, [natural[:32], natural[32:]]) < 1e-3


def test_shift__grows_with_the_distance(model, natural: torch.Tensor) -> None:
    small, large = shift(model, [natural * 0.9 + 0.05]), shift(model, [natural * 0.3])
    assert 1e-3 < small < large


def test_shift__equals_the_formula_for_one_layer(model, natural: torch.Tensor) -> None:
    images = natural * 0.5
    layers = [layer for layer in model.modules() if isinstance(layer, nn.BatchNorm2d)]
    expected = []
    with torch.no_grad():
        x = model.normalise(images)
        for stage, layer in zip(model.backbone.stages, layers, strict=True):
            inputs = stage[0](x).double()
            mean, std = inputs.mean((0, 2, 3)), inputs.var((0, 2, 3), unbiased=False).sqrt()
            source = (layer.running_var + layer.eps).double().sqrt()
            expected.append((((mean - layer.running_mean) ** 2 + (std - source) ** 2) / source**2).mean())
            x = stage(x)
    assert shift(model, [images]) == pytest.approx(float(sum(expected) / 2), rel=1e-6)


def test_shift__leaves_the_model_as_it_was(model, natural: torch.Tensor) -> None:
    model = copy.deepcopy(model).train()
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    shift(model, [natural])
    assert model.training
    assert all(torch.equal(tensor, before[name]) for name, tensor in model.state_dict().items())
    assert not any(layer._forward_pre_hooks for layer in model.modules())


def test_shift__is_unknown_without_statistics() -> None:
    model = small_model()
    for stage in model.backbone.stages:
        stage[1] = nn.Identity()
    assert shift(model, [torch.rand(2, 3, 16, 16)]) is None
