"""Recipes written as TOML."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import tomli_w

from graft.recipe.layers import SHORTHANDS, dotted, leaves

_WIDEST = 50
"""Column of the origins; longer lines push theirs to the right."""


def to_toml(values: Mapping[str, Any]) -> str:
    """Return nested plain values as TOML, tables that say one thing in their short form: `head = "linear"`.

    Args:
        values: Those of a recipe, or of a part of it.
    """
    return tomli_w.dumps(_short(values, ()), multiline_strings=False)


def to_lines(values: Mapping[str, Any], origins: Mapping[str, str]) -> str:
    """Return one line per value, with where it came from: `train.epochs = 20  # default`. It is TOML, too."""
    lines = [(f"{dotted(path)} = {_one_line(value)}", origins.get(dotted(path), "")) for path, value in leaves(values)]
    width = min(_WIDEST, max(len(line) for line, _ in lines))
    return "".join(f"{line:<{width}}  # {origin}\n" for line, origin in lines)


def _one_line(value: Any) -> str:
    if isinstance(value, list):
        return f"[{', '.join(map(_one_line, value))}]"
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{dotted([key])} = {_one_line(item)}" for key, item in value.items()) + "}"
    return tomli_w.dumps({"x": value}).removeprefix("x = ").rstrip("\n")


def _short(values: Mapping[str, Any], below: tuple[str, ...]) -> dict[str, Any]:
    short = {
        key: _short(value, (*below, key)) if isinstance(value, Mapping) else value for key, value in values.items()
    }
    for key, value in short.items():
        shorthand = SHORTHANDS.get((*below, key))
        if shorthand is not None and list(value) == [shorthand.key]:
            short[key] = value[shorthand.key]
    return short
