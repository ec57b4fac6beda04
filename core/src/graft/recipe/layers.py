"""Values from several sources, laid over each other, each remembering where it came from."""

from __future__ import annotations

import copy
import datetime
import os
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from pydantic import BaseModel

from graft.errors import Problem
from graft.recipe.schema import Recipe, shorthands

Path = tuple[str, ...]
"""The keys that lead to a value."""

SHORTHANDS = shorthands(Recipe)


@dataclass(frozen=True)
class Layer:
    """Values from one source: a nested dict of plain values, with every shorthand written in full.

    Args:
        values: What it sets. It need not be complete.
        source: A file's name, `command line`, `Python`, `default`, `task …`, `domain …`,
            `head …` or `preset …`.
    """

    values: dict[str, Any]
    source: str

    @classmethod
    def of(cls, values: Mapping[str, Any], source: str) -> Layer:
        """Return a layer of `values`, which are copied; a key whose value is None is not given."""
        copied = plain(values)
        for path, shorthand in SHORTHANDS.items():
            table = get(copied, path[:-1])
            if isinstance(table, dict) and path[-1] in table:
                table[path[-1]] = shorthand.expand(table[path[-1]])
        return cls(copied, source)


def as_one(layers: Sequence[Layer]) -> list[Layer]:
    """Return what one source says, layer by layer, as one layer: their order matters only where two set the same value.

    Laid one by one, a `kind` would replace what was said beside it before. Entries of a list that another of the layers
    gives have no place in one layer with it, and follow in layers of their own.
    """
    values: dict[str, Any] = {}
    entries = []
    for layer in layers:
        if any(_in_a_list(path, values) for path, _ in leaves(layer.values)):
            entries.append(layer)
        else:
            _merge(layer.values, values)
    return [Layer(values, layers[0].source), *entries] if layers else []


def _in_a_list(path: Path, values: Mapping[str, Any]) -> bool:
    return any(isinstance(get(values, path[:length]), list) for length in range(1, len(path)))


def _merge(values: Mapping[str, Any], onto: dict[str, Any]) -> None:
    for key, value in values.items():
        if isinstance(value, dict) and isinstance(below := onto.get(key), dict):
            _merge(value, below)
        else:
            onto[key] = value


@dataclass
class Tree:
    """What the layers so far amount to.

    Attributes:
        values: The merged values.
        origins: The source of each value that is not a table, and of each empty table.
        problems: What could not be laid.
    """

    values: dict[str, Any] = field(default_factory=dict)
    origins: dict[Path, str] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)

    def lay(self, layer: Layer) -> None:
        """Put `layer` on top. Another `kind` (or `preset`) than the one below replaces everything beside it."""
        self._lay(layer.values, self.values, (), layer.source)

    def source(self, path: Path, otherwise: str) -> str:
        """Return where the value at `path` came from; of a table, where the topmost of its values did."""
        for length in range(len(path), 0, -1):
            if path[:length] in self.origins:
                return self.origins[path[:length]]
        # Later layers write later, and a rewritten value moves to the end.
        inside = [source for key, source in self.origins.items() if key[: len(path)] == path and source != "default"]
        return inside[-1] if inside else otherwise

    def _lay(self, values: Mapping[str, Any], onto: dict[str, Any], path: Path, source: str) -> None:
        if any(key in values and key in onto and values[key] != onto[key] for key in _choosers(path)):
            self._forget(path)
            onto.clear()
        for key, value in values.items():
            here, below = (*path, key), onto.get(key)
            if isinstance(value, dict) and isinstance(below, list) and value and all(map(str.isdecimal, value)):
                self._replace_entries(value, below, here, source)
            elif isinstance(value, dict):
                if not isinstance(below, dict):
                    below = onto[key] = {}
                self._forget(here, only_itself=True)
                self._lay(value, below, here, source)
                if not below:
                    self.origins[here] = source
            else:
                self._forget(here)
                onto[key] = copy.deepcopy(value)
                self.origins[here] = source

    def _replace_entries(self, entries: Mapping[str, Any], onto: list[Any], path: Path, source: str) -> None:
        """Replace entries of a list, as `evaluation.metrics.0=f1` asks."""
        for index, value in entries.items():
            if int(index) >= len(onto):
                hint = f"it has {len(onto)} entries, counted from 0"
                self.problems.append(Problem(f"{source}: {dotted((*path, index))}", "no such entry in the list", hint))
            elif isinstance(value, dict) and isinstance(onto[int(index)], dict):
                self._lay(value, onto[int(index)], (*path, index), source)
            else:
                onto[int(index)] = value
                self._forget(path)
                self.origins[path] = source

    def _forget(self, path: Path, *, only_itself: bool = False) -> None:
        for known in [key for key in self.origins if key[: len(path)] == path]:
            if known == path or not only_itself:
                del self.origins[known]


def _choosers(path: Path) -> tuple[str, ...]:
    return ("kind", "preset") if path == ("strategy",) else ("kind",)


def defaults(model: type[BaseModel]) -> dict[str, Any]:
    """Return the default of every key of `model` that has one and is not None, also in sections that have none."""
    values: dict[str, Any] = {}
    for name, info in model.model_fields.items():
        if not info.is_required():
            values[name] = info.get_default(call_default_factory=True)
        elif isinstance(info.annotation, type) and issubclass(info.annotation, BaseModel):
            values[name] = defaults(info.annotation) or None
    return plain(values)  # type: ignore[no-any-return]


def plain(value: Any) -> Any:
    """Return `value` as TOML could hold it: a copy without None, tuples, paths, dates and NumPy scalars."""
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items() if item is not None}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    if isinstance(value, os.PathLike):
        return os.fspath(value)
    if isinstance(value, datetime.date | datetime.time):
        return value.isoformat()
    if isinstance(value, BaseModel):
        return plain(value.model_dump(mode="json", by_alias=True))
    if hasattr(value, "item") and getattr(value, "shape", None) == ():
        return value.item()
    return value


def nested(path: Sequence[str], value: Any) -> dict[str, Any]:
    """Return the nested dict that holds `value` at `path`, and nothing else."""
    for key in reversed(path):
        value = {key: value}
    return value  # type: ignore[no-any-return]


def get(values: Any, path: Iterable[str]) -> Any:
    """Return what is at `path`, or None when nothing is."""
    for key in path:
        if isinstance(values, list) and key.isdecimal() and int(key) < len(values):
            values = values[int(key)]
        elif isinstance(values, dict):
            values = values.get(key)
        else:
            return None
    return values


def leaves(values: Mapping[str, Any], path: Path = ()) -> Iterator[tuple[Path, Any]]:
    """Yield the path and value of everything in `values` that is not a table, and of empty tables."""
    for key, value in values.items():
        if isinstance(value, Mapping) and value:
            yield from leaves(value, (*path, key))
        else:
            yield (*path, key), value


def dotted(path: Iterable[str]) -> str:
    """Return a path as TOML writes it: `strategy.pace.lr`, `task.weights."a.b"`."""
    return ".".join(key if re.fullmatch(r"[A-Za-z0-9_-]+", key) else f'"{key}"' for key in path)
