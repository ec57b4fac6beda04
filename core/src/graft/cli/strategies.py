"""`graft strategies`: the strategy presets, and what each of them sets. Torch-free."""

from __future__ import annotations

from typing import Annotated

import typer

from graft.cli.session import JsonFlag, emit, refine
from graft.cli.text import columns
from graft.plugins import StrategySpec
from graft.recipe.layers import plain
from graft.recipe.writing import to_toml

app = typer.Typer(add_completion=False, no_args_is_help=True)


@app.callback()
def group() -> None:
    """List the strategy presets and what they set."""


@app.command("list")
def list_(as_json: JsonFlag = False) -> None:
    """List every strategy preset."""
    session = refine(json=as_json)
    plugins = session.plugins
    presets = {name: (spec.summary, plugins.owner(spec).name) for name, spec in plugins.specs(StrategySpec).items()}
    if session.json:
        emit({"strategies": [{"name": name, "summary": text, "plugin": by} for name, (text, by) in presets.items()]})
    else:
        print(columns([("NAME", "PLUGIN", "SUMMARY"), *((name, by, text) for name, (text, by) in presets.items())]))


@app.command()
def show(
    name: Annotated[str, typer.Argument(help="As in `graft strategies list`.", show_default=False)],
    as_json: JsonFlag = False,
) -> None:
    """Print what a preset sets, as the part of a recipe that it stands for."""
    session = refine(json=as_json)
    spec = session.plugins.find(StrategySpec, name)
    if session.json:
        emit({"name": name, "summary": spec.summary, "recipe": {"strategy": spec.recipe}})
    else:
        print(f'# {spec.summary}\n# In a recipe: strategy = "{name}", or what follows.\n')
        print(to_toml({"strategy": plain(spec.recipe)}), end="")
