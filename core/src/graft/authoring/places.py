"""Where something is in an author's code: what a failing check names, so that it can be mended."""

from __future__ import annotations

import importlib
import importlib.util
import inspect
import re
import traceback
from collections.abc import Iterable
from functools import partial
from pathlib import Path
from types import ModuleType
from typing import Any

from graft.plugins import HOOKS, BrokenPlugin, Contribution, PluginInfo


def place(thing: Any) -> str:
    """Return `file:line` of a class, a function, a module or an object of a class."""
    while isinstance(thing, partial):
        thing = thing.func
    if not (inspect.isclass(thing) or inspect.isroutine(thing) or isinstance(thing, ModuleType)):
        thing = type(thing)
    thing = inspect.unwrap(thing)
    try:
        file = inspect.getsourcefile(thing)
        line = 1 if isinstance(thing, ModuleType) else inspect.getsourcelines(thing)[1]
    except (OSError, TypeError):
        return f"{getattr(thing, '__module__', '?')}.{getattr(thing, '__qualname__', '?')}"
    return f"{shown(file or '?')}:{line}"


def place_of_spec(spec: Contribution, owner: PluginInfo) -> str:
    """Return `file:line` of the descriptor of a contribution: where its name stands, else of the hook."""
    hook = next(name for name, kind in HOOKS.items() if type(spec) is kind)
    module = module_of(owner)
    if module is None:
        return owner.source
    function = inspect.unwrap(getattr(module, hook))
    try:
        lines, first = inspect.getsourcelines(function)
    except (OSError, TypeError):
        return shown(owner.source)
    named = [number for number, line in enumerate(lines) if f'"{spec.name}"' in line or f"'{spec.name}'" in line]
    return f"{shown(inspect.getsourcefile(function) or '?')}:{first + (named[0] if named else 0)}"


def place_in_source(broken: BrokenPlugin) -> str:
    """Return `file:line` of a plugin that does not load: where what is said of it stands, else its first line."""
    file = broken.source
    if not file.endswith(".py"):
        found = importlib.util.find_spec(file.partition(":")[0])
        file = (found.origin if found else None) or file
    try:
        lines = Path(file).read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError):
        return broken.source
    for word in re.findall(r"'([^']+)'|(graft_\w+)", broken.cause):
        for number, line in enumerate(lines, 1):
            if "".join(word) in line:
                return f"{shown(file)}:{number}"
    return f"{shown(file)}:1"


def place_of_text(module: ModuleType | None, text: str) -> str:
    """Return `file:line` of the first line of a module that has a text in it."""
    file = getattr(module, "__file__", None) or "?"
    lines = inspect.getsource(module).splitlines() if module is not None else []
    found = [number for number, line in enumerate(lines, 1) if text in line]
    return f"{shown(file)}:{found[0] if found else 1}"


def module_of(owner: PluginInfo) -> ModuleType | None:
    """Return the module that has a plugin's hooks."""
    name = Path(owner.source).stem if owner.source.endswith(".py") else owner.source.partition(":")[0]
    try:
        return importlib.import_module(name)
    except ImportError:
        return None


def place_of_error(error: BaseException, own: Iterable[Path]) -> str | None:
    """Return `file:line` of the innermost frame that is in one of the folders or files `own`; None when none is."""
    folders = list(own)
    found = None
    for frame in traceback.extract_tb(error.__traceback__):
        if any(Path(frame.filename).is_relative_to(folder) for folder in folders):
            found = f"{shown(frame.filename)}:{frame.lineno}"
    return found


def shown(file: str) -> str:
    """Return a path as one would type it here."""
    path = Path(file)
    return str(path.relative_to(Path.cwd())) if path.is_relative_to(Path.cwd()) else str(path)
