"""Recipes: read, laid over defaults, checked against the plugins, and written. Torch-free."""

from __future__ import annotations

from graft.recipe.load import load_recipe
from graft.recipe.resolve import resolve
from graft.recipe.resolved import ResolvedRecipe
from graft.recipe.schema import Options, Part, Recipe

__all__ = ["Options", "Part", "Recipe", "ResolvedRecipe", "load_recipe", "resolve"]
