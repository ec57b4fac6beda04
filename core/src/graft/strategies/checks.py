"""What of a strategy can only be checked with the network at hand."""

from __future__ import annotations

from collections.abc import Callable

from graft.errors import Problem, RecipeError
from graft.model import Model
from graft.recipe.schema import Recipe
from graft.strategies import unfreeze
from graft.strategies.groups import learning_rates, units


def check_strategy(recipe: Recipe, model: Model, *, pretrained: bool, precision: str, sequences: bool = False) -> None:
    """Raise unless the recipe's strategy can be carried out on `model`.

    Args:
        recipe: The recipe.
        model: The network.
        pretrained: Whether its backbone has pretrained weights.
        precision: `fp32`, `bf16` or `fp16`.
        sequences: Whether it is trained on sequences of images.

    Raises:
        RecipeError: When it names units that there are not, or asks for what does not go together.
    """
    strategy, names = recipe.strategy, list(units(model))
    problems: list[Problem] = []
    if strategy.unfreeze.kind in unfreeze.KINDS:
        problems += _problems_of(lambda: unfreeze.frozen(strategy.unfreeze, names, 0, recipe.train.epochs))
    problems += _problems_of(lambda: learning_rates(strategy.pace, names))
    regularise = strategy.regularise
    if regularise.l2_sp and not pretrained:
        what = "there are no pretrained weights to stay near to"
        problems.append(Problem("strategy.regularise.l2_sp", what, "set it to 0, or backbone.weights=pretrained"))
    if regularise.sam and recipe.train.accumulate > 1:
        what = "looks for the sharpest point of one batch, and train.accumulate makes steps of several"
        problems.append(Problem("strategy.regularise.sam", what, "set train.accumulate=1"))
    if regularise.sam and precision == "fp16":
        problems.append(Problem("strategy.regularise.sam", "needs unscaled gradients", "set train.precision=bf16"))
    for name in ("mixup", "cutmix"):
        if sequences and getattr(regularise, name):
            what = "the data are sequences, and two of them differ in length"
            problems.append(Problem(f"strategy.regularise.{name}", what, f"set strategy.regularise.{name}=0"))
    if problems:
        raise RecipeError("The strategy cannot be carried out", problems=problems)


def _problems_of(check: Callable[[], object]) -> list[Problem]:
    try:
        check()
    except RecipeError as error:
        return list(error.problems)
    return []
