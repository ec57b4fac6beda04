from __future__ import annotations

from typing import Any

import pytest

from graft.errors import RecipeError
from graft.plugins import HeadSpec, Plugins
from graft.recipe import ResolvedRecipe, resolve
from toys import toy_plugins


@pytest.fixture(scope="module")
def plugins() -> Plugins:
    spec = HeadSpec(
        name="once", summary="Once.", target="toys:Head", tasks=("sorting",), needs="embedding", fitted=True
    )
    return toy_plugins(spec)


def resolved(plugins: Plugins, **values: Any) -> ResolvedRecipe:
    return resolve({"task": "sorting", "data": "x", "head": "once", **values}, plugins=plugins)


def test_fitted_head__brings_what_it_takes(plugins: Plugins) -> None:
    recipe = resolved(plugins)
    assert recipe.recipe.strategy.unfreeze.kind == "none"
    assert recipe.augment.name == "none"
    assert recipe.recipe.train.epochs == 1
    for path in ("strategy.unfreeze.kind", "augment.kind", "train.epochs"):
        assert recipe.origins[path] == "head once"


def test_fitted_head__recipe_of_its_run_resolves_again(plugins: Plugins) -> None:
    recipe = resolved(plugins, domain="moon")
    assert resolve(recipe.values, plugins=plugins) == recipe


def test_fitted_head__lies_over_the_domain(plugins: Plugins) -> None:
    recipe = resolved(plugins, domain="moon")
    assert (recipe.recipe.train.epochs, recipe.origins["train.epochs"]) == (1, "head once")
    assert recipe.recipe.strategy.pace.lr == 0.5, "what does no harm is left"


def test_fitted_head__may_be_the_tasks_or_replaced_by_one_that_learns_by_steps(plugins: Plugins) -> None:
    recipe = resolve({"task": "sorting", "data": "x", "head": "flat"}, plugins=plugins)
    assert recipe.recipe.train.epochs == 20
    assert recipe.recipe.strategy.unfreeze.kind == "all"


def test_fitted_head__a_preset_that_trains_nothing_else_fits(plugins: Plugins) -> None:
    recipe = resolved(plugins, strategy="fixed")
    assert recipe.origins["strategy.unfreeze.kind"] == "preset fixed"


@pytest.mark.parametrize(
    ("values", "place", "hint"),
    [
        ({"strategy": "gradual"}, "preset gradual: strategy.unfreeze.kind", "set strategy.unfreeze.kind=none"),
        ({"strategy": {"unfreeze": "auto"}}, "recipe: strategy.unfreeze.kind", "set strategy.unfreeze.kind=none"),
        ({"strategy": {"norm": "train"}}, "recipe: strategy.norm", "set strategy.norm=follow"),
        *(
            ({"strategy": {"regularise": {key: 0.1}}}, f"recipe: strategy.regularise.{key}", f"{key}=0")
            for key in ("l2_sp", "stochastic_depth", "ema", "sam")
        ),
        ({"strategy": {"regularise": {"sampling": "balanced"}}}, "recipe: strategy.regularise.sampling", "natural"),
        ({"train": {"epochs": 3}}, "recipe: train.epochs", "set train.epochs=1"),
        ({"train": {"budget": "10m"}}, "recipe: train.budget", "leave it out"),
        ({"train": {"devices": 2}}, "recipe: train.devices", "set train.devices=1"),
        ({"train": {"precision": "bf16"}}, "recipe: train.precision", "set train.precision=auto"),
        ({"train": {"batch": "auto"}}, "recipe: train.batch", "set a number"),
        ({"speed": "auto"}, "recipe: speed.mode", "set speed.mode=given"),
        ({"augment": "basic"}, "recipe: augment.kind", "set augment.kind=none"),
    ],
)
def test_fitted_head__what_cannot_be_names_the_key_and_the_way_out(
    values: dict[str, Any], place: str, hint: str, plugins: Plugins
) -> None:
    with pytest.raises(RecipeError) as caught:
        resolved(plugins, **values)
    (problem,) = caught.value.problems
    assert problem.where == place
    assert "head 'once' is fitted at once" in problem.what
    assert problem.hint is not None
    assert hint in problem.hint


def test_fitted_head__mixing_is_refused_too(plugins: Plugins) -> None:
    with pytest.raises(RecipeError) as caught:
        resolved(plugins, strategy={"regularise": {"mixup": 0.2, "cutmix": 1.0}})
    assert [problem.where for problem in caught.value.problems] == [
        "recipe: strategy.regularise.mixup",
        "recipe: strategy.regularise.cutmix",
    ]
