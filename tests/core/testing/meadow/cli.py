"""The command."""

import json
from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(add_completion=False)


@app.command()
def count(folder: Path, as_json: Annotated[bool, typer.Option("--json")] = False) -> None:
    """Count the berries in a folder."""
    number = len(list(folder.rglob("*.png")))
    print(json.dumps({"berries": number}) if as_json else number)
