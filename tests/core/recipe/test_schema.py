from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from pydantic import BaseModel, ValidationError

from graft.recipe.schema import (
    Data,
    Options,
    Pace,
    Part,
    Recipe,
    Regularise,
    Split,
    Strategy,
    Train,
    _pieces,
    shorthands,
)


def models(model: type[BaseModel] = Recipe) -> Iterator[type[BaseModel]]:
    yield model
    for field in model.model_fields.values():
        for piece in _pieces(field.annotation):
            if isinstance(piece, type) and issubclass(piece, BaseModel):
                yield from models(piece)


def test_recipe__every_key_is_described() -> None:
    missing = [f"{m.__name__}.{n}" for m in models() for n, field in m.model_fields.items() if not field.description]
    assert missing == []
    assert len(list(models())) > 8


def test_recipe__none_only_where_it_is_the_default() -> None:
    """TOML has no null: a None that is not the default could not be written down."""
    wrong = [
        f"{model.__name__}.{name}"
        for model in models()
        for name, field in model.model_fields.items()
        if type(None) in _pieces(field.annotation) and field.default is not None
    ]
    assert wrong == []


def test_shorthands__all_of_them() -> None:
    found = {".".join(path): short.key for path, short in shorthands(Recipe).items()}
    pace = ("strategy.pace.optimizer", "strategy.pace.schedule")
    kinds = ("task", "domain", "data.reader", "data.decoder", "backbone", "head", "augment", "strategy.unfreeze", *pace)
    others = {"data": "train", "data.split": "by", "strategy": "preset", "speed": "mode"}
    assert found == {**dict.fromkeys(kinds, "kind"), **others}


def test_recipe__shorthands_and_tables_are_the_same() -> None:
    short = Recipe.model_validate(
        {
            "task": "t",
            "data": {"train": "x", "split": "random"},
            "backbone": "b",
            "head": "h",
            "strategy": "s",
            "speed": "auto",
        }
    )
    full = Recipe.model_validate(
        {
            "task": {"kind": "t"},
            "data": {"train": "x", "split": {"by": "random"}},
            "backbone": {"kind": "b"},
            "head": {"kind": "h"},
            "strategy": {"preset": "s"},
            "speed": {"mode": "auto"},
        }
    )
    assert short == full
    assert short.strategy.preset == "s"


def test_part__own_keys() -> None:
    assert Part.model_validate({"kind": "mlp", "dropout": 0.2}).own == {"dropout": 0.2}
    assert Part(kind="mlp").own == {}


@pytest.mark.parametrize(
    ("model", "values"),
    [
        (Split, {"val": 0.5, "test": 0.5}),
        (Split, {"val": 1.0}),
        (Split, {"seed": 2**32}),
        (Split, {"seed": -1}),
        (Data, {"train": ""}),
        (Data, {"train": "x", "cache_mb": -1}),
        (Part, {"kind": ""}),
        (Pace, {"layer_decay": 0.0}),
        (Pace, {"layer_decay": 1.1}),
        (Pace, {"head": 0.0}),
        (Pace, {"rates": {"stem": 0.0}}),
        (Pace, {"warmup": 1.0}),
        (Regularise, {"weight_decay": -0.1}),
        (Regularise, {"ema": 1.0}),
        (Regularise, {"stochastic_depth": 1.0}),
        (Regularise, {"sam": -0.1}),
        (Regularise, {"sampling": "even"}),
        (Strategy, {"norm": "frozen"}),
        (Train, {"accumulate": 0}),
        (Train, {"patience": 0}),
        (Train, {"devices": 0}),
    ],
)
def test_bounds(model: type[BaseModel], values: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        model.model_validate(values)


def test_split__val_and_test_may_take_almost_all() -> None:
    assert Split(val=0.5, test=0.49).test == 0.49


def test_options__infinity_is_no_number() -> None:
    class Mine(Options):
        rate: float = 0.0

    with pytest.raises(ValidationError):
        Mine(rate=float("inf"))


def test_strategy__shorthands_and_tables_are_the_same() -> None:
    pace = {"optimizer": "sgd", "schedule": "one-cycle"}
    short = Strategy.model_validate({"unfreeze": "none", "pace": pace})
    full = Strategy(unfreeze=Part(kind="none"), pace=Pace(optimizer=Part(kind="sgd"), schedule=Part(kind="one-cycle")))
    assert short == full


def test_data__the_group_is_a_regular_expression() -> None:
    with pytest.raises(ValidationError, match="no regular expression"):
        Recipe.model_validate({"task": "t", "data": {"train": "x", "group": "("}})
