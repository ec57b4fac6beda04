from __future__ import annotations

from typing import Any

import pytest

from graft.errors import RecipeError
from graft.recipe.schema import Data, Part, Recipe, Strategy
from graft.strategies.checks import check_strategy
from shades import small_model


def recipe(strategy: dict[str, Any], **train: Any) -> Recipe:
    return Recipe(
        task=Part(kind="shades"), data=Data(train="here"), strategy=Strategy.model_validate(strategy), train=train
    )


def test_check_strategy__everything_that_is_wrong_at_once() -> None:
    wrong = recipe(
        {
            "unfreeze": {"kind": "from", "stage": "stage7"},
            "pace": {"rates": {"stage8": 1e-3}},
            "regularise": {"l2_sp": 0.1, "sam": 0.05},
        },
        accumulate=2,
    )
    with pytest.raises(RecipeError) as caught:
        check_strategy(wrong, small_model(), pretrained=False, precision="fp16")
    said = str(caught.value)
    for word in ("strategy.unfreeze.stage", "rates.stage8", "l2_sp", "accumulate=1", "bf16"):
        assert word in said


def test_check_strategy__takes_what_fits() -> None:
    right = recipe({"unfreeze": {"kind": "from", "stage": "stage1"}, "regularise": {"l2_sp": 0.1, "sam": 0.05}})
    check_strategy(right, small_model(), pretrained=True, precision="fp32")
    check_strategy(recipe({"unfreeze": {"kind": "auto"}}), small_model(), pretrained=True, precision="fp32")
