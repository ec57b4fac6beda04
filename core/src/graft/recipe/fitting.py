"""Whether a head and a strategy can take a backbone, as far as its index tells its stages. Torch-free."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from pydantic import BaseModel

from graft.backbones.names import stage_names
from graft.errors import Problem
from graft.plugins.descriptors import HeadSpec
from graft.strategies.options import From, Surgical
from graft.strategies.stages import find_stage

if TYPE_CHECKING:
    from graft.plugins import Plugins


def misfits(
    reductions: Sequence[int],
    *,
    upto: str | None,
    unfreeze: BaseModel | None,
    head: HeadSpec | None,
    head_options: BaseModel | None,
    plugins: Plugins,
) -> Iterator[Problem]:
    """Yield what does not fit the stages of a backbone; what is wrong by itself is None, and was said before.

    Args:
        reductions: Of all its stages, stem first.
        upto: The last one that is used, by name; None for all of them.
        unfreeze: The options of the way to unfreeze.
        head: The head.
        head_options: Its options.
        plugins: Whose head it is.
    """
    stages = stage_names(len(reductions))
    if upto is not None:
        last = find_stage(upto, stages, "backbone.upto")
        if isinstance(last, Problem):
            yield last
            return
        stages = stages[: stages.index(last) + 1]
    for key, stage in _named(unfreeze):
        if isinstance(found := find_stage(stage, stages, f"strategy.unfreeze.{key}"), Problem):
            yield found
    if head is not None and head_options is not None:
        problem = plugins.unfit(head, reductions[: len(stages)], head_options)
        if problem is not None:
            yield problem


def _named(unfreeze: BaseModel | None) -> Iterator[tuple[str, str | int]]:
    if isinstance(unfreeze, From):
        yield "stage", unfreeze.stage
    elif isinstance(unfreeze, Surgical):
        for stage in unfreeze.stages:
            yield "stages", stage
