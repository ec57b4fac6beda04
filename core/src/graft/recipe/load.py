"""Recipes read from TOML files and from `key.sub=value`."""

from __future__ import annotations

import datetime
import difflib
import re
import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from graft.errors import Problem, RecipeError
from graft.recipe.layers import Layer, as_one, dotted, nested
from graft.recipe.resolve import resolve_layers
from graft.recipe.resolved import ResolvedRecipe

if TYPE_CHECKING:
    from graft.plugins import Plugins

COMMAND_LINE = "command line"
PYTHON = "Python"


def load_recipe(
    path: Path | None,
    *,
    overrides: Sequence[str] = (),
    base: Mapping[str, Any] | None = None,
    base_source: str = PYTHON,
    plugins: Plugins,
) -> ResolvedRecipe:
    """Return the complete recipe of a file and what is laid over it.

    Order: defaults < the task's < the domain's < the strategy preset < the file < `base` < `overrides`. Within `base`
    and within `overrides` it does not matter; of two for the same key the later one counts.

    Args:
        path: A TOML file; None when `base` and `overrides` say everything.
        overrides: As on the command line: `train.epochs=5`, `head=mlp`, `evaluation.metrics.0=f1`.
        base: Nested, or with dotted keys: `{"backbone.kind": "resnet50"}`. A key whose value is None is not given.
        base_source: Who says `base`, in errors and origins: `Python`, or `command line` for its own shortcuts.
        plugins: Who offers the names in the recipe.

    Raises:
        RecipeError: With every mistake at once, each with where it stands and what was probably meant.
    """
    layers: list[Layer] = []
    problems: list[Problem] = []
    if path is not None:
        layers.append(Layer.of(read_toml(path), path.name))
    layers += as_one([Layer.of(nested(key.split("."), value), base_source) for key, value in (base or {}).items()])
    words = []
    for text in overrides:
        try:
            words.append(Layer.of(parse_override(text), COMMAND_LINE))
        except RecipeError as error:
            problems += error.problems
    layers += as_one(words)
    main = path.name if path is not None else base_source if base else COMMAND_LINE
    return resolve_layers(layers, plugins=plugins, main=main, problems=problems)


def read_toml(path: Path) -> dict[str, Any]:
    """Return the values of a TOML file.

    Raises:
        RecipeError: When it is missing, is no text in UTF-8, or is no TOML, with line and column.
    """
    try:
        text = path.read_bytes().decode("utf-8-sig")  # editors on Windows put a mark at the front
    except FileNotFoundError:
        raise RecipeError(
            f"there is no recipe {path}", fix=_nearest(path) or "name a TOML file that is there"
        ) from None
    except IsADirectoryError:
        inside = path / "recipe.toml"
        fix = f"the recipe in it is {inside}" if inside.is_file() else "name a file"
        raise RecipeError(f"{path} is a folder, not a recipe", fix=fix) from None
    except UnicodeDecodeError as error:
        line = error.object[: error.start].count(b"\n") + 1
        raise RecipeError(f"{path.name} line {line}: not in UTF-8", fix="save the file in UTF-8") from None
    except OSError as error:
        raise RecipeError(f"{path} cannot be read: {error.strerror}", fix="name a TOML file that can be read") from None
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise RecipeError(_syntax(path.name, text, str(error)), fix=_quotes(str(error))) from None


def parse_override(text: str) -> dict[str, Any]:
    """Return `key.sub=value` as the nested dict that sets it.

    The value is read as TOML; what is no TOML is a text, so that quotes are only needed for texts such as `"5"`.

    Raises:
        RecipeError: When there is no key or no value, or a list, table or quoted text is not closed.
    """
    key, equals, value = (part.strip() for part in text.partition("="))
    if not equals or not key:
        raise _not_an_override(text, "expected key=value", "as in train.epochs=5")
    path = _path(key)
    if not all(path):
        raise _not_an_override(text, "a key between the dots is empty", "as in train.epochs=5")
    if not value:
        raise _not_an_override(dotted(path), "no value", f"an empty text is written {key}='\"\"'")
    return nested(path, _value(dotted(path), value))


def _value(where: str, text: str) -> Any:
    try:
        # Within a list a comment, or a second line, leaves no TOML: a folder may well be called `5#1`.
        (value,) = tomllib.loads(f"value = [{text}]")["value"]
    except tomllib.TOMLDecodeError:
        if text[0] in "[{\"'":
            hint = "texts in lists and tables need quotes, and the shell needs quotes around all of it: "
            raise _not_an_override(where, f"{text} is no TOML", hint + f"""'{where}=["a", "b"]'""") from None
        return text
    except ValueError:  # `1, 2`
        return text
    return text if isinstance(value, datetime.date | datetime.time) else value  # a folder may be called 2024-01-01


def _path(key: str) -> list[str]:
    """Return the keys of a dotted key, of which some may be quoted as in TOML: `task.weights."a.b"`."""
    try:
        table: Any = tomllib.loads(f"{key} = 0")
    except tomllib.TOMLDecodeError:
        table = {}
    if not table:
        return [part.strip() for part in key.split(".")]
    path = []
    while isinstance(table, dict):
        ((name, table),) = table.items()
        path.append(name)
    return path


def _not_an_override(where: str, what: str, hint: str) -> RecipeError:
    problem = Problem(f"{COMMAND_LINE}: {where}", what, hint)
    return RecipeError(str(problem), problems=[problem])


def _syntax(name: str, text: str, message: str) -> str:
    what, _, where = message.rpartition(" (at ")
    what = re.sub(r"\(('.*'),?\)", lambda keys: ".".join(re.findall("'(.*?)'", keys[1])), what)  # tomllib's tuples
    what = what[:1].lower() + what[1:]
    found = re.fullmatch(r"line (\d+), column (\d+)\)", where)
    if found:
        return f"{name} line {found[1]}, column {found[2]}: {what}"
    return f"{name} line {len(text.splitlines()) or 1}, at the end: {what}"


def _quotes(message: str) -> str | None:
    return 'write texts in quotes: task = "classification"' if message.startswith("Invalid value") else None


def _nearest(path: Path) -> str | None:
    try:
        files = sorted(file.name for file in path.parent.iterdir() if file.suffix == ".toml")
    except OSError:
        return None
    close = difflib.get_close_matches(path.name, files, n=1)
    return f"did you mean {path.parent / close[0]}?" if close else None
