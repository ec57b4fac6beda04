"""Each optimizer against the library's own, made by hand, over three steps."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import timm.optim
import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from graft.recipe.schema import Part
from graft.strategies.optimizers import FUSABLE, build_optimizer
from graft.strategies.options import OPTIMIZERS

BY_HAND: dict[str, tuple[dict[str, Any], Callable[[Any], Optimizer]]] = {
    "adamw": ({}, torch.optim.AdamW),
    "adamw with options": (
        {"betas": [0.5, 0.9], "eps": 1e-3},
        lambda groups: torch.optim.AdamW(groups, betas=(0.5, 0.9), eps=1e-3),
    ),
    "adam": ({}, torch.optim.Adam),
    "radam": ({}, lambda groups: torch.optim.RAdam(groups, decoupled_weight_decay=True)),
    "sgd": ({}, lambda groups: torch.optim.SGD(groups, momentum=0.9, nesterov=True)),
    "sgd with heavy ball": (
        {"momentum": 0.5, "nesterov": False},
        lambda groups: torch.optim.SGD(groups, momentum=0.5),
    ),
    "sgd without momentum": ({"momentum": 0}, torch.optim.SGD),
    "lamb": ({}, lambda groups: timm.optim.Lamb(groups, max_grad_norm=None, decoupled_decay=True)),
    "lamb with options": (
        {"betas": [0.5, 0.9], "eps": 1e-3},
        lambda groups: timm.optim.Lamb(groups, betas=(0.5, 0.9), eps=1e-3, max_grad_norm=None, decoupled_decay=True),
    ),
    "lars": ({}, lambda groups: timm.optim.Lars(groups, momentum=0.9, trust_coeff=0.001)),
    "lars with options": (
        {"momentum": 0.5, "trust": 0.1},
        lambda groups: timm.optim.Lars(groups, momentum=0.5, trust_coeff=0.1),
    ),
    "lion": ({}, timm.optim.Lion),
    "lion with options": ({"betas": [0.5, 0.9]}, lambda groups: timm.optim.Lion(groups, betas=(0.5, 0.9))),
}


def network() -> nn.Sequential:
    torch.manual_seed(3)
    return nn.Sequential(nn.Linear(4, 8), nn.LayerNorm(8), nn.Linear(8, 2)).double()


def groups_of(model: nn.Sequential) -> list[dict[str, Any]]:
    return [
        {"params": list(model[0].parameters()), "lr": 0.1, "weight_decay": 0.2},
        {"params": list(model[1:].parameters()), "lr": 0.03, "weight_decay": 0.0},
    ]


def take_steps(model: nn.Sequential, optimizer: Optimizer, *, steps: int = 3, first: int = 0) -> None:
    for step in range(first, first + steps):
        x = torch.randn(16, 4, generator=torch.Generator().manual_seed(step), dtype=torch.float64)
        optimizer.zero_grad()
        model(x).square().sum().backward()
        optimizer.step()


def copies(model: nn.Sequential) -> list[Tensor]:
    return [parameter.detach().clone() for parameter in model.parameters()]


def part(name: str) -> Part:
    return Part.model_validate({"kind": name.partition(" ")[0], **BY_HAND[name][0]})


def test_by_hand__is_every_kind() -> None:
    assert {name.partition(" ")[0] for name in BY_HAND} == set(OPTIMIZERS)


@pytest.mark.parametrize("name", BY_HAND)
def test_build_optimizer__steps_as_the_librarys_own(name: str) -> None:
    found, expected = network(), network()
    take_steps(found, build_optimizer(part(name), groups_of(found)))
    take_steps(expected, BY_HAND[name][1](groups_of(expected)))
    for ours, theirs, before in zip(found.parameters(), expected.parameters(), copies(network()), strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-12, atol=0)
        assert not torch.equal(ours, before)


@pytest.mark.parametrize("kind", sorted(OPTIMIZERS))
def test_build_optimizer__one_kernel_does_the_same(kind: str) -> None:
    found, expected = network(), network()
    optimizer = build_optimizer(Part(kind=kind), groups_of(found), fused=True)
    assert bool(optimizer.defaults.get("fused")) is (kind in FUSABLE)
    take_steps(found, optimizer)
    take_steps(expected, build_optimizer(Part(kind=kind), groups_of(expected)))
    for ours, theirs in zip(found.parameters(), expected.parameters(), strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("kind", sorted(OPTIMIZERS))
def test_build_optimizer__does_not_touch_what_is_frozen(kind: str) -> None:
    """Neither by decay, nor by the momentum of the time when it was not frozen."""
    model = network()
    optimizer = build_optimizer(Part(kind=kind), groups_of(model))
    take_steps(model, optimizer)
    model[0].requires_grad_(False)
    before = copies(model)
    take_steps(model, optimizer, first=3)
    same = [torch.equal(now, then) for now, then in zip(model.parameters(), before, strict=True)]
    assert same == [True, True, False, False, False, False]
    model[0].requires_grad_(True)
    take_steps(model, optimizer, first=6)
    assert not torch.equal(model[0].weight, before[0])


@pytest.mark.parametrize("kind", sorted(OPTIMIZERS))
def test_build_optimizer__what_was_never_trained_has_no_state(kind: str) -> None:
    model = network()
    model[0].requires_grad_(False)
    optimizer = build_optimizer(Part(kind=kind), groups_of(model))
    before = copies(model)
    take_steps(model, optimizer)
    assert all(torch.equal(now, then) for now, then in zip(model[0].parameters(), before, strict=False))
    assert not any(optimizer.state.get(parameter) for parameter in model[0].parameters())
    assert all(optimizer.state[parameter] for parameter in model[2].parameters())
