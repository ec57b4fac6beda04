from __future__ import annotations

import pytest
import torch
from torch import nn

from graft.model import Model
from graft.recipe.schema import Pace
from graft.strategies.groups import learning_rates, parameter_groups, units
from shades import small_model


def test_units__from_input_to_output() -> None:
    assert list(units(small_model())) == ["stem", "stage1", "tail", "head"]


def test_learning_rates__absolute() -> None:
    rates = learning_rates(Pace(lr=1e-3, head=20.0), ["stem", "tail", "head"])
    assert rates == {"stem": 1e-3, "tail": 1e-3, "head": 2e-2}


def test_parameter_groups__each_parameter_in_exactly_one() -> None:
    model = small_model()
    model.backbone.stages[0].requires_grad_(False)
    groups = parameter_groups(model, rates=dict.fromkeys(units(model), 0.5), weight_decay=0.1)
    placed = [id(parameter) for group in groups for parameter in group["params"]]
    assert sorted(placed) == sorted(id(parameter) for parameter in model.parameters())
    assert {group["unit"] for group in groups} == {"stem", "stage1", "tail", "head"}
    for group in groups:
        flat = {parameter.ndim <= 1 for parameter in group["params"]}
        assert flat == {group["weight_decay"] == 0.0}, "weights decay, norms and biases do not"
        assert group["weight_decay"] in (0.0, 0.1)
        assert group["lr"] == group["peak"] == 0.5


def test_parameter_groups__shared_parameter_once() -> None:
    model = small_model()
    model.head.linear.bias = model.backbone.stages[0][1].bias
    groups = parameter_groups(model, rates=dict.fromkeys(units(model), 1.0), weight_decay=0.0)
    placed = [id(parameter) for group in groups for parameter in group["params"]]
    assert len(placed) == len(set(placed))


def test_parameter_groups__stray_parameter_is_a_fault() -> None:
    model: Model = small_model()
    model.backbone.extra = nn.Parameter(torch.zeros(1))
    with pytest.raises(ValueError, match=r"backbone\.extra"):
        parameter_groups(model, rates=dict.fromkeys(units(model), 1.0), weight_decay=0.0)
