from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from pydantic import BaseModel, ValidationError

from graft.recipe.schema import Data, Options, Part, Recipe, Split, _pieces, shorthands
from graft.strategies.options import UNFREEZE


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
    kinds = ("task", "domain", "data.reader", "backbone", "head", "augment", "strategy.unfreeze")
    assert found == {**dict.fromkeys(kinds, "kind"), "data": "train", "data.split": "by", "strategy": "preset"}


def test_recipe__shorthands_and_tables_are_the_same() -> None:
    short = Recipe.model_validate(
        {"task": "t", "data": {"train": "x", "split": "random"}, "backbone": "b", "head": "h", "strategy": "s"}
    )
    full = Recipe.model_validate(
        {
            "task": {"kind": "t"},
            "data": {"train": "x", "split": {"by": "random"}},
            "backbone": {"kind": "b"},
            "head": {"kind": "h"},
            "strategy": {"preset": "s"},
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


def test_unfreeze__recipes_know_what_the_strategies_can_do() -> None:
    from graft.strategies.unfreeze import KINDS

    assert set(UNFREEZE) == set(KINDS)
