from __future__ import annotations

from typing import Any

import pytest
from pydantic import BaseModel, ValidationError

from graft.recipe.schema import Options, Part, Recipe
from graft.strategies import optimizers, schedule, unfreeze
from graft.strategies.options import (
    CHOICES,
    OPTIMIZERS,
    SCHEDULES,
    UNFREEZE,
    Adam,
    Cosine,
    Cyclical,
    Exponential,
    From,
    Gradual,
    HeadThenAll,
    Lars,
    OneCycle,
    Plateau,
    Polynomial,
    Sgd,
    Step,
    Surgical,
    options_of,
)

MODELS = sorted({model for kinds in (UNFREEZE, OPTIMIZERS, SCHEDULES) for model in kinds.values()}, key=str)


def test_choices__every_kind_is_carried_out_by_somebody() -> None:
    assert set(UNFREEZE) == {*unfreeze.KINDS, "auto"}, "auto is replaced before training begins"
    assert set(OPTIMIZERS) == set(optimizers.KINDS)
    assert set(SCHEDULES) == set(schedule.KINDS)


def test_choices__are_keys_of_a_recipe_whose_default_is_among_them() -> None:
    for path, (_, kinds) in CHOICES.items():
        section: type[BaseModel] = Recipe
        for key in path[:-1]:
            section = type(section.model_fields[key].default)
        assert section.model_fields[path[-1]].default.kind in kinds


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.__name__)
def test_options__every_key_has_a_default_and_is_described(model: type[Options]) -> None:
    assert model()
    assert [name for name, field in model.model_fields.items() if not field.description] == []


def test_options_of() -> None:
    assert options_of(Part.model_validate({"kind": "gradual", "every": 3}), Gradual) == Gradual(every=3)
    assert options_of(Part.model_validate({"kind": "adamw", "betas": [0.5, 0.6]}), Adam).betas == (0.5, 0.6)
    assert options_of(Part(kind="step"), Step) == Step()


@pytest.mark.parametrize(
    ("model", "values"),
    [
        (From, {"stage": ""}),
        (From, {"stage": 1.5}),
        (Surgical, {"stages": []}),
        (Gradual, {"every": 0}),
        (HeadThenAll, {"head": 0.0}),
        (HeadThenAll, {"head": 1.0}),
        (Adam, {"betas": (0.9, 1.0)}),
        (Adam, {"betas": (0.9,)}),
        (Adam, {"eps": 0.0}),
        (Sgd, {"momentum": 1.0}),
        (Sgd, {"momentum": -0.1}),
        (Lars, {"trust": 0.0}),
        (Step, {"at": []}),
        (Step, {"at": [0.0]}),
        (Step, {"at": [1.0]}),
        (Step, {"factor": 1.0}),
        (Exponential, {"final": 0.0}),
        (Exponential, {"final": 1.1}),
        (Cosine, {"cycles": 0}),
        (OneCycle, {"rise": 0.0}),
        (OneCycle, {"rise": 1.0}),
        (OneCycle, {"start": 0.0}),
        (Cyclical, {"low": 1.0}),
        (Cyclical, {"cycles": 0}),
        (Polynomial, {"power": 0.0}),
        (Plateau, {"patience": 0}),
        (Plateau, {"factor": 0.0}),
    ],
)
def test_options__bounds(model: type[Options], values: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        model(**values)
