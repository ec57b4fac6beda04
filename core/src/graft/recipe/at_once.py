"""What a head that is fitted at once means for the rest of a recipe. Torch-free."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from graft.plugins.descriptors import AugmentationSpec, HeadSpec
from graft.recipe.layers import Path, dotted, get
from graft.recipe.mistakes import Mistake, shown

FRAGMENT: Mapping[str, Any] = {
    "strategy": {"unfreeze": {"kind": "none"}},
    "augment": "none",
    "train": {"epochs": 1},
}
"""What such a head's recipe says by default, over the domain and under the strategy preset and what people wrote."""

_REGULARISE = ("strategy", "regularise")
_STILL = "the backbone stays as it is, and nothing learns by steps"
_ONCE = "every image is described once, as it is"
_SAME = "images are described as prediction sees them"

_FITTING: Mapping[Path, tuple[tuple[Any, ...], str]] = {
    ("strategy", "unfreeze", "kind"): (("none",), _STILL),
    ("strategy", "norm"): (("follow", "freeze", "auto"), _STILL),
    (*_REGULARISE, "l2_sp"): ((0,), _STILL),
    (*_REGULARISE, "stochastic_depth"): ((0,), _STILL),
    (*_REGULARISE, "mixup"): ((0,), _ONCE),
    (*_REGULARISE, "cutmix"): ((0,), _ONCE),
    (*_REGULARISE, "ema"): ((0,), _STILL),
    (*_REGULARISE, "sam"): ((0,), _STILL),
    (*_REGULARISE, "sampling"): (("natural",), _ONCE),
    ("train", "epochs"): ((1,), _ONCE),
    ("train", "budget"): ((None,), "its time is not known before"),
    ("train", "devices"): ((1,), "it is fitted by one process"),
    ("train", "precision"): (("auto", "fp32"), _SAME),
    ("speed", "mode"): (("given",), "there are no training steps to measure"),
}
"""The values that fit, the first of them the usual one, and why no other does."""


def unfit(head: HeadSpec, augment: AugmentationSpec | None, values: Mapping[str, Any]) -> Iterator[Mistake]:
    """Yield what a recipe asks of a fitted head that cannot be, with what to write.

    What is about steps and does no harm is let pass: the rates, the optimizer, the schedule and weight decay.

    Args:
        head: The head; of one that learns by steps nothing is said.
        augment: The augmentation.
        values: The whole recipe, nested.
    """
    if not head.fitted:
        return
    for path, (fitting, why) in _FITTING.items():
        value = get(values, path)
        if value not in fitting:
            what = f"head '{head.name}' is fitted at once: {why}, so {shown(value)} cannot be"
            yield Mistake(path, what, "leave it out" if fitting[0] is None else f"set {dotted(path)}={fitting[0]}")
    if get(values, ("train", "batch")) == "auto":
        what = f"head '{head.name}' is fitted at once: there are no training steps to measure"
        yield Mistake(("train", "batch"), what, "set a number: so many images are described together")
    if augment is not None and augment.name != "none":
        what = f"head '{head.name}' is fitted at once: {_ONCE}, so '{augment.name}' cannot be"
        yield Mistake(("augment", "kind"), what, "set augment.kind=none")
