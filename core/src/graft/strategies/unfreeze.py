"""What trains, and when: the set of frozen units is a function of (strategy, epoch), and of nothing else.

So a resumed run freezes what an uninterrupted one would, whatever it did before.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence

from torch import nn

from graft.errors import Problem, RecipeError
from graft.model import Model
from graft.recipe.schema import Part
from graft.strategies.groups import HEAD, TAIL, units
from graft.strategies.options import From, Gradual, HeadThenAll, Stage, Surgical, options_of
from graft.strategies.stages import find_stage

Names = Sequence[str]
"""All units from input to output: the stages, `tail` and `head`."""

NORMS = (
    nn.modules.batchnorm._BatchNorm,
    nn.GroupNorm,
    nn.LayerNorm,
    nn.modules.instancenorm._InstanceNorm,
    nn.LocalResponseNorm,
)
"""The layers that `norm` is about; timm's own are subclasses of these."""


def _none(part: Part, names: Names, epoch: int, epochs: int) -> frozenset[str]:
    return frozenset(names) - {HEAD}


def _all(part: Part, names: Names, epoch: int, epochs: int) -> frozenset[str]:
    return frozenset()


def _from(part: Part, names: Names, epoch: int, epochs: int) -> frozenset[str]:
    stage = _named(options_of(part, From).stage, names, "stage")
    return frozenset(names[: names.index(stage)])


def _surgical(part: Part, names: Names, epoch: int, epochs: int) -> frozenset[str]:
    chosen = {_named(stage, names, "stages") for stage in options_of(part, Surgical).stages}
    return frozenset(names) - {HEAD} - chosen


def _gradual(part: Part, names: Names, epoch: int, epochs: int) -> frozenset[str]:
    stages = _stages(names)
    thawed = min(epoch // options_of(part, Gradual).every, len(stages))
    # The tail has few layers, if any, and thaws with the last stage.
    return frozenset(stages[: len(stages) - thawed]) | (frozenset() if thawed else frozenset({TAIL}))


def _head_then_all(part: Part, names: Names, epoch: int, epochs: int) -> frozenset[str]:
    alone = max(1, round(options_of(part, HeadThenAll).head * epochs))
    return _none(part, names, epoch, epochs) if epoch < alone else frozenset()


KINDS: Mapping[str, Callable[[Part, Names, int, int], frozenset[str]]] = {
    "none": _none,
    "all": _all,
    "from": _from,
    "surgical": _surgical,
    "gradual": _gradual,
    "head-then-all": _head_then_all,
}
"""What is frozen, from the recipe's `unfreeze`, the names of the units, the epoch and the number of epochs.

`auto` is not among them: before training begins, another kind takes its place.
"""


def frozen(part: Part, names: Names, epoch: int, epochs: int) -> frozenset[str]:
    """Return the names of the units that do not train.

    Args:
        part: The recipe's `strategy.unfreeze`.
        names: All units, from input to output.
        epoch: Number of finished epochs, 0 in the first.
        epochs: How many there will be.

    Raises:
        RecipeError: When it names a stage that the backbone does not have.
    """
    return KINDS[part.kind](part, names, epoch, epochs)


def phases(part: Part, names: Names, epochs: int) -> list[tuple[int, frozenset[str]]]:
    """Return each epoch (from 0) in which another set of units becomes frozen, and that set; the first is epoch 0."""
    found: list[tuple[int, frozenset[str]]] = []
    for epoch in range(epochs):
        here = frozen(part, names, epoch, epochs)
        if not found or found[-1][1] != here:
            found.append((epoch, here))
    return found


def apply(model: Model, frozen: Collection[str], norm: str) -> None:
    """Freeze the units named in `frozen` and no others, and put `model` into the mode for training.

    A frozen unit's parameters need no gradient and all its layers are in eval mode: norms neither use nor change the
    statistics of a batch, and dropout lets everything pass. Parameters and buffers stay equal to the last bit.

    Args:
        model: Changed in place.
        frozen: Names of units.
        norm: The recipe's `strategy.norm`: what is different for the norm layers of the backbone.
    """
    for name, module in units(model).items():
        module.requires_grad_(name not in frozen)
        module.train(name not in frozen)
    if norm in ("follow", "auto"):  # what `auto` becomes is chosen when the batch is known
        return
    for layer in model.backbone.modules():
        if isinstance(layer, NORMS):
            layer.train(norm != "freeze")
            if norm != "statistics":
                layer.requires_grad_(norm == "train")


def _stages(names: Names) -> list[str]:
    return [name for name in names if name not in (TAIL, HEAD)]


def _named(stage: Stage, names: Names, key: str) -> str:
    found = find_stage(stage, _stages(names), f"strategy.unfreeze.{key}")
    if isinstance(found, Problem):
        raise RecipeError("The strategy does not fit the backbone", problems=[found])
    return found
