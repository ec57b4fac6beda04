"""What trains, and when: the set of frozen units is a function of (strategy, epoch), and of nothing else.

So a resumed run freezes what an uninterrupted one would, whatever it did before.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence

from graft.model import Model
from graft.recipe.schema import Part
from graft.strategies.groups import HEAD, units

Names = Sequence[str]


def _none(part: Part, names: Names, epoch: int) -> frozenset[str]:
    return frozenset(names) - {HEAD}


def _all(part: Part, names: Names, epoch: int) -> frozenset[str]:
    return frozenset()


KINDS: Mapping[str, Callable[[Part, Names, int], frozenset[str]]] = {"none": _none, "all": _all}
"""What is frozen, from the recipe's `unfreeze`, the names of the units and the epoch."""


def frozen(part: Part, names: Names, epoch: int) -> frozenset[str]:
    """Return the names of the units that do not train.

    Args:
        part: The recipe's `strategy.unfreeze`.
        names: All units, from input to output.
        epoch: Number of finished epochs, 0 in the first.
    """
    return KINDS[part.kind](part, names, epoch)


def apply(model: Model, frozen: Collection[str]) -> None:
    """Freeze the units named in `frozen` and no others, and put `model` into the mode for training.

    A frozen unit's parameters need no gradient and all its layers are in eval mode: norms neither use nor change the
    statistics of a batch, and dropout lets everything pass. Parameters and buffers stay equal to the last bit.
    """
    for name, module in units(model).items():
        module.requires_grad_(name not in frozen)
        module.train(name not in frozen)
