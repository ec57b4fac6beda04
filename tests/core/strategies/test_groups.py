from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import nn

from graft.errors import RecipeError
from graft.model import Model
from graft.recipe.schema import Pace, Regularise
from graft.strategies.groups import learning_rates, parameter_groups, units
from shades import small_model

NAMES = ["stem", "stage1", "stage2", "stage3", "tail", "head"]


def groups_of(model: Model, **regularise: float) -> list[dict[str, Any]]:
    return parameter_groups(model, rates=dict.fromkeys(units(model), 0.5), regularise=Regularise(**regularise))


def test_units__from_input_to_output() -> None:
    assert list(units(small_model())) == ["stem", "stage1", "tail", "head"]


# --- rates ---------------------------------------------------------------------------------------------------------


def test_learning_rates__absolute() -> None:
    rates = learning_rates(Pace(lr=1e-3, head=20.0), ["stem", "tail", "head"])
    assert rates == {"stem": 1e-3, "tail": 1e-3, "head": 2e-2}


def test_learning_rates__each_stage_slower_than_the_one_behind_it() -> None:
    rates = learning_rates(Pace(lr=0.8, layer_decay=0.5, head=3.0), NAMES)
    expected = {"stem": 0.1, "stage1": 0.2, "stage2": 0.4, "stage3": 0.8, "tail": 0.8, "head": 2.4}
    assert rates == pytest.approx(expected)
    assert list(rates) == NAMES


def test_learning_rates__what_is_named_stands_for_itself() -> None:
    pace = Pace(lr=0.8, layer_decay=0.5, rates={"stem": 7.0, "tail": 0.3, "head": 0.2})
    rates = learning_rates(pace, NAMES)
    assert (rates["stem"], rates["tail"], rates["head"]) == (7.0, 0.3, 0.2), "neither decayed nor multiplied"
    assert rates["stage1"] == pytest.approx(0.2), "as without them"


def test_learning_rates__wrong_names_all_at_once_with_those_that_there_are() -> None:
    with pytest.raises(RecipeError) as caught:
        learning_rates(Pace(rates={"stage9": 1.0, "stage1": 1.0, "body": 1.0}), NAMES)
    assert [str(one) for one in caught.value.problems] == [
        "strategy.pace.rates.stage9: no unit 'stage9', but stem, stage1, stage2, stage3, tail, head "
        "(did you mean 'stage3'?)",
        "strategy.pace.rates.body: no unit 'body', but stem, stage1, stage2, stage3, tail, head",
    ]


# --- groups --------------------------------------------------------------------------------------------------------


def test_parameter_groups__each_parameter_in_exactly_one() -> None:
    model = small_model()
    model.backbone.stages[0].requires_grad_(False)
    groups = groups_of(model, weight_decay=0.1)
    placed = [id(parameter) for group in groups for parameter in group["params"]]
    assert sorted(placed) == sorted(id(parameter) for parameter in model.parameters()), "frozen ones, too"
    assert {group["unit"] for group in groups} == {"stem", "stage1", "tail", "head"}


def test_parameter_groups__weights_decay_norms_and_biases_do_not() -> None:
    for group in groups_of(small_model(), weight_decay=0.1):
        (flat,) = {parameter.ndim <= 1 for parameter in group["params"]}
        assert group["weight_decay"] == (0.0 if flat else 0.1)


def test_parameter_groups__near_to_the_pretrained_weights_only_the_head_decays() -> None:
    for group in groups_of(small_model(), weight_decay=0.1, l2_sp=0.1):
        weights = all(parameter.ndim > 1 for parameter in group["params"])
        assert group["weight_decay"] == (0.1 if group["unit"] == "head" and weights else 0.0)


def test_parameter_groups__rates_of_the_units() -> None:
    model = small_model()
    rates = {"stem": 0.1, "stage1": 0.2, "tail": 0.3, "head": 0.4}
    groups = parameter_groups(model, rates=rates, regularise=Regularise())
    owner = {id(parameter): unit for unit, module in units(model).items() for parameter in module.parameters()}
    for group in groups:
        assert group["lr"] == group["peak"] == rates[group["unit"]]
        assert {owner[id(parameter)] for parameter in group["params"]} == {group["unit"]}


def test_parameter_groups__shared_parameter_once() -> None:
    model = small_model()
    model.head.linear.bias = model.backbone.stages[0][1].bias
    placed = [id(parameter) for group in groups_of(model) for parameter in group["params"]]
    assert len(placed) == len(set(placed))


def test_parameter_groups__stray_parameter_is_a_fault() -> None:
    model: Model = small_model()
    model.backbone.extra = nn.Parameter(torch.zeros(1))
    with pytest.raises(ValueError, match=r"backbone\.extra"):
        groups_of(model)
