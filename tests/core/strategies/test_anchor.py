from __future__ import annotations

import torch

from graft.recipe.schema import Part, Regularise
from graft.strategies.anchor import Anchor
from graft.strategies.groups import parameter_groups, units
from graft.strategies.optimizers import build_optimizer
from shades import small_model


def test_pull__takes_the_backbones_weights_back_by_rate_times_strength() -> None:
    model = small_model()
    anchor = Anchor(model, strength=5.0)
    groups = parameter_groups(model, rates=dict.fromkeys(units(model), 0.1), regularise=Regularise(l2_sp=5.0))
    optimizer = build_optimizer(Part(kind="sgd"), groups)
    before = {name: tensor.detach().clone() for name, tensor in model.named_parameters()}
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(1.0)
    anchor.pull(optimizer)
    for name, parameter in model.named_parameters():
        pulled = name.startswith("backbone") and parameter.ndim > 1
        torch.testing.assert_close(parameter.detach(), before[name] + (0.5 if pulled else 1.0))


def test_pull__leaves_what_is_frozen() -> None:
    model = small_model()
    anchor = Anchor(model, strength=5.0)
    model.backbone.requires_grad_(False)
    groups = parameter_groups(model, rates=dict.fromkeys(units(model), 0.1), regularise=Regularise(l2_sp=5.0))
    weight = model.backbone.stages[0][0].weight
    with torch.no_grad():
        weight.add_(1.0)
    changed = weight.clone()
    anchor.pull(build_optimizer(Part(kind="sgd"), groups))
    assert torch.equal(weight, changed)


def test_parameter_groups__with_an_anchor_only_the_head_decays_to_zero() -> None:
    model = small_model()
    rates = dict.fromkeys(units(model), 0.1)
    groups = parameter_groups(model, rates=rates, regularise=Regularise(l2_sp=1.0, weight_decay=0.2))
    assert {group["unit"] for group in groups if group["weight_decay"]} == {"head"}
