"""`graft recipe`: check a recipe, see what it amounts to, describe what it may say. Torch-free."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from graft.cli.session import JsonFlag, emit, refine
from graft.errors import RecipeError
from graft.recipe import load_recipe

app = typer.Typer(add_completion=False, no_args_is_help=True)

FileArgument = Annotated[Path, typer.Argument(metavar="FILE", help="A recipe: recipe.toml.", show_default=False)]
OverridesArgument = Annotated[
    list[str] | None,
    typer.Argument(metavar="[KEY=VALUE]...", help="Laid over the file: train.epochs=5 head=mlp.", show_default=False),
]


@app.callback()
def group() -> None:
    """Show, check and describe recipes."""


@app.command()
def check(file: FileArgument, overrides: OverridesArgument = None, as_json: JsonFlag = False) -> None:
    """Say whether a recipe is valid, or everything that is wrong with it (exit code 2)."""
    session = refine(json=as_json)
    try:
        load_recipe(file, overrides=overrides or (), plugins=session.plugins)
    except RecipeError as error:
        if session.json:
            problems = [{"where": one.where, "what": one.what, "hint": one.hint} for one in error.problems]
            emit({"recipe": file, "valid": False, "error": error.message, "problems": problems})
        raise
    if session.json:
        emit({"recipe": file, "valid": True, "problems": []})
    else:
        print(f"{file.name} is valid")


@app.command()
def show(
    file: FileArgument,
    overrides: OverridesArgument = None,
    origin: Annotated[bool, typer.Option("--origin", help="Say where each value comes from.")] = False,
    as_json: JsonFlag = False,
) -> None:
    """Print the complete recipe, every default filled in. It is a recipe, too."""
    from graft.recipe.writing import to_lines

    session = refine(json=as_json)
    resolved = load_recipe(file, overrides=overrides or (), plugins=session.plugins)
    if session.json:
        emit({"recipe": resolved.values} | ({"origins": resolved.origins} if origin else {}))
    elif origin:
        print(to_lines(resolved.values, resolved.origins), end="")
    else:
        print(resolved.to_toml(), end="")


@app.command()
def schema() -> None:
    """Print the JSON schema of recipes, with the options of every installed part: for completion in editors."""
    from graft.recipe.editing import json_schema

    emit(json_schema(refine().plugins))
