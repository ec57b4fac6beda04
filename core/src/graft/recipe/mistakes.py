"""Values checked by a pydantic model, and its complaints in plain words.

The words come from the model's JSON schema, not from pydantic's messages: so a value that could be a number or `auto`
is one mistake that names both, whichever of the two pydantic tried last.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from graft.errors import Problem, RecipeError, did_you_mean
from graft.recipe.layers import Path, Tree, dotted, get

M = TypeVar("M", bound=BaseModel)
Node = Mapping[str, Any]
"""A piece of a JSON schema."""

UNKNOWN = "unknown key"

_LONGEST = 40


@dataclass(frozen=True)
class Mistake:
    """What is wrong at a path, and perhaps what was meant."""

    path: Path
    what: str
    hint: str | None = None


@dataclass
class Mistakes:
    """The mistakes of a recipe; of those at one path the first.

    Args:
        tree: Says where the value at a path came from.
        main: Who is told what is missing everywhere.
        problems: What is known to be wrong already.
    """

    tree: Tree
    main: str
    problems: list[Problem]
    seen: set[Path] = field(default_factory=set)

    def add(self, path: Path, what: str, hint: str | None = None) -> None:
        """Add what is wrong at `path`, named with its source."""
        if path not in self.seen:
            self.seen.add(path)
            self.problems.append(Problem(f"{self.tree.source(path, self.main)}: {dotted(path)}", what, hint))

    def add_all(self, mistakes: Iterable[Mistake], below: Path = ()) -> None:
        """Add what `check` found in the table at `below`."""
        for mistake in mistakes:
            self.add((*below, *mistake.path), mistake.what, mistake.hint)

    def stop(self) -> None:
        """Raise a RecipeError with all of them, if there are any."""
        if self.problems:
            several = len(self.problems) > 1
            raise RecipeError(
                f"the recipe has {len(self.problems)} mistakes" if several else "the recipe has a mistake",
                problems=self.problems,
                fix=f"correct {'them' if several else 'it'}; every key: graft recipe schema",
            )


def check(model: type[M], values: Mapping[str, Any]) -> tuple[M | None, list[Mistake]]:
    """Return `values` as a `model`, or None and every mistake in them; of a union each branch has its own.

    Nothing is converted but whole numbers to decimal ones: `"3"`, `3.0` and `true` are no whole numbers.
    """
    try:
        # Strict JSON is strict about numbers and texts, and takes a list where the model has a tuple.
        return model.model_validate_json(json.dumps(values, default=str), strict=True), []
    except ValidationError as error:
        schema = model.model_json_schema()
        return None, [_mistake(schema, one, values) for one in error.errors(include_url=False)]


def _mistake(schema: Node, error: ErrorDetails, values: Mapping[str, Any]) -> Mistake:
    loc = error["loc"]
    if error["type"] == "extra_forbidden":
        path, node = _follow(schema, loc[:-1])
        key = str(loc[-1])
        known = list(properties(schema, node))
        meant = did_you_mean(key, known) or _elsewhere(schema, key) or _only(known)
        return Mistake((*path, key), UNKNOWN, meant)
    path, node = _follow(schema, loc)
    if error["type"] == "missing":
        return Mistake(path, "missing", _first_clause(node.get("description", "")))
    if error["type"] in ("value_error", "assertion_error"):  # a validator's own words
        return Mistake(path, str(error["ctx"]["error"]))
    given, fits = get(values, path), _fits(schema, node)
    if not fits:
        return Mistake(path, error["msg"][:1].lower() + error["msg"][1:])
    hint = did_you_mean(given, _constants(schema, node)) if isinstance(given, str) else None
    hint = hint or _as_entry(schema, node, given)
    return Mistake(path, f"expected {fits}, got {shown(given)}", hint)


def _follow(schema: Node, loc: Iterable[str | int]) -> tuple[Path, Node]:
    """Return the path of a value and its schema; pydantic's `loc` names the branches of unions, too."""
    path: Path = ()
    node = schema
    for step in loc:
        below = _below(schema, node, step)
        if below is not None:
            path, node = (*path, str(step)), below
    return path, node


def _below(schema: Node, node: Node, step: str | int) -> Node | None:
    for branch in _branches(schema, node):
        if isinstance(step, int):
            if step < len(branch.get("prefixItems", ())):
                return branch["prefixItems"][step]  # type: ignore[no-any-return]
            if "items" in branch:
                return branch["items"]  # type: ignore[no-any-return]
        elif step in branch.get("properties", {}):
            return branch["properties"][step]  # type: ignore[no-any-return]
        elif isinstance(branch.get("additionalProperties"), Mapping):
            return branch["additionalProperties"]  # type: ignore[no-any-return]
    return None


def _branches(schema: Node, node: Node) -> Iterator[Node]:
    """Yield what a value may be, references resolved: the node itself, or each branch of a union."""
    if "$ref" in node:
        yield from _branches(schema, schema["$defs"][node["$ref"].rpartition("/")[2]])
    elif "anyOf" in node or "oneOf" in node:
        for branch in node.get("anyOf") or node["oneOf"]:
            yield from _branches(schema, branch)
    elif len(node.get("allOf", ())) == 1:
        yield from _branches(schema, node["allOf"][0])
    else:
        yield node


def properties(schema: Node, node: Node) -> dict[str, Node]:
    """Return the keys that a table may have, each with its schema."""
    return {key: below for branch in _branches(schema, node) for key, below in branch.get("properties", {}).items()}


def paths(schema: Node, node: Node, path: Path = ()) -> Iterator[Path]:
    """Yield the path of every key that a schema knows, sections before their keys."""
    for key, below in properties(schema, node).items():
        yield (*path, key)
        if len(path) < 6:  # a schema may contain itself
            yield from paths(schema, below, (*path, key))


def place(schema: Node, key: str) -> str | None:
    """Return the shortest path that ends with `key`, as in `strategy.pace.lr`; None when no section has it."""
    places = [path for path in paths(schema, schema) if path[-1] == key]
    shortest = min(places, key=len, default=None)
    return dotted(shortest) if shortest else None


def _elsewhere(schema: Node, key: str) -> str | None:
    """Return the hint that `key` belongs to another section."""
    found = place(schema, key)
    return f"did you mean '{found}'?" if found else None


def _as_entry(schema: Node, node: Node, given: Any) -> str | None:
    """Return the hint to write a value as a list of one, where that would fit."""
    scalar = _SCALARS.get(type(given))
    for branch in _branches(schema, node):
        entries = _branches(schema, branch.get("items", {}))
        if scalar and branch.get("type") == "array" and any(one.get("type") == scalar for one in entries):
            return f"write [{json.dumps(given, ensure_ascii=False)}]"
    return None


def _only(known: list[str]) -> str:
    return f"known here: {', '.join(known)}" if known else "it takes no options"


def _first_clause(description: str) -> str | None:
    clause = description.split("\n")[0].split(";")[0].split(". ")[0].strip().rstrip(".")
    return clause[:1].lower() + clause[1:] or None


def _fits(schema: Node, node: Node) -> str:
    """Return what fits, in words: `a whole number of at least 0 or 'auto'`; nothing when there are no words for it."""
    branches = [branch for branch in _branches(schema, node) if branch.get("type") != "null"]
    constants = list(_constants(schema, node))
    words = [_words(branch) for branch in branches if "const" not in branch and "enum" not in branch]
    if not all(words):
        return ""
    if constants:
        words.append(("one of " if len(constants) > 1 else "") + ", ".join(f"'{constant}'" for constant in constants))
    return " or ".join(dict.fromkeys(words))


def _constants(schema: Node, node: Node) -> Iterator[str]:
    for branch in _branches(schema, node):
        yield from (str(value) for value in branch.get("enum", [branch["const"]] if "const" in branch else []))


_LIMITS = {
    "minimum": "of at least",
    "exclusiveMinimum": "above",
    "maximum": "of at most",
    "exclusiveMaximum": "below",
}
_SCALARS = {int: "integer", float: "number", str: "string"}
_KINDS = {
    "integer": "a whole number",
    "number": "a number",
    "array": "a list",
    "boolean": "true or false",
    "object": "a table",
    "string": "a text",
}


def _words(node: Node) -> str:
    words = _KINDS.get(str(node.get("type")), "")
    if "pattern" in node:
        return f"{words} that matches {node['pattern']}"
    least, most = node.get("minItems", 0), node.get("maxItems")
    if least and least == most:
        return f"{words} of {least}"
    if node.get("minLength") == 1 or least == 1:
        return f"{words} that is not empty"
    limits = [f"{limit} {node[key]:.10g}" for key, limit in _LIMITS.items() if key in node]
    return f"{words} {' and '.join(limits)}".strip()


def shown(value: Any) -> str:
    """Return a value as a message quotes it."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return f"'{value}'" if len(value) <= _LONGEST else f"'{value[:_LONGEST]}…'"
    if isinstance(value, int | float):
        return f"{value:g}" if isinstance(value, float) and not math.isfinite(value) else repr(value)
    if isinstance(value, list):
        return "a list"
    if isinstance(value, Mapping):
        return "a table"
    return f"a Python object of type {type(value).__name__}"
