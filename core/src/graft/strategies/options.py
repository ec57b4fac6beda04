"""What each way to unfreeze takes: checked with the recipe, without torch."""

from __future__ import annotations

from collections.abc import Mapping

from graft.recipe.schema import Options

UNFREEZE: Mapping[str, type[Options]] = {"none": Options, "all": Options}
"""The model of the keys beside `kind` in a recipe's `strategy.unfreeze`, by kind."""
