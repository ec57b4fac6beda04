"""Stages as strategies name them: by name, or counted from the last. Torch-free."""

from __future__ import annotations

from collections.abc import Sequence

from graft.errors import Problem, did_you_mean
from graft.strategies.options import Stage


def find_stage(stage: Stage, stages: Sequence[str], key: str) -> str | Problem:
    """Return the name of a stage, or what is wrong with it.

    Args:
        stage: A name, or a number: -1 is the last one.
        stages: The names of those that there are, from input to output.
        key: Where it stands in the recipe.
    """
    if isinstance(stage, int) and -len(stages) <= stage < len(stages):
        return stages[stage]
    if stage in stages:
        return str(stage)
    what = f"the backbone has no stage '{stage}', but {', '.join(stages)}"
    return Problem(key, what, did_you_mean(str(stage), stages))
