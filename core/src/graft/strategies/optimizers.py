"""The optimizers: torch's own, and timm's where torch has none."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

import torch
from torch.optim import Optimizer

from graft.recipe.schema import Part
from graft.strategies.options import OPTIMIZERS, options_of

Groups = Sequence[dict[str, Any]]

FUSABLE = ("adamw", "adam", "sgd")
"""Those whose step can be one kernel."""


def _sgd(groups: Groups, *, momentum: float, nesterov: bool, **options: Any) -> Optimizer:
    # Without momentum there is nothing to look ahead along, and torch refuses to.
    return torch.optim.SGD(groups, momentum=momentum, nesterov=nesterov and momentum > 0, **options)


def _lamb(groups: Groups, **options: Any) -> Optimizer:
    from timm.optim import Lamb

    # Clipping is the engine's.
    return Lamb(groups, max_grad_norm=None, decoupled_decay=True, **options)  # type: ignore[no-any-return]


def _lars(groups: Groups, *, trust: float, **options: Any) -> Optimizer:
    from timm.optim import Lars as TimmLars

    return TimmLars(groups, trust_coeff=trust, **options)  # type: ignore[no-any-return]


def _lion(groups: Groups, **options: Any) -> Optimizer:
    from timm.optim import Lion

    return Lion(groups, **options)  # type: ignore[no-any-return]


KINDS: Mapping[str, Callable[..., Optimizer]] = {
    "adamw": torch.optim.AdamW,
    "adam": torch.optim.Adam,
    "radam": partial(torch.optim.RAdam, decoupled_weight_decay=True),
    "sgd": _sgd,
    "lamb": _lamb,
    "lars": _lars,
    "lion": _lion,
}
"""Makes an optimizer of parameter groups and of the options of its kind."""


def build_optimizer(part: Part, groups: Groups, *, fused: bool = False) -> Optimizer:
    """Return the optimizer that a recipe's `strategy.pace.optimizer` asks for.

    Args:
        part: The optimizer.
        groups: As `parameter_groups` makes them.
        fused: Whether its step may be one kernel; those that have none ignore it.
    """
    options = options_of(part, OPTIMIZERS[part.kind]).model_dump()
    if fused and part.kind in FUSABLE:
        options["fused"] = True
    return KINDS[part.kind](groups, **options)
