"""Which modules of others a plugin's source imports, and which distributions they are of."""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Iterator, Mapping, Sequence
from importlib.metadata import PackageNotFoundError, requires

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

CORE = "graft-core"


def imported(source: str) -> Iterator[tuple[str, int]]:
    """Yield the first name of each module that a source cannot do without, and the line that imports it.

    That is without the standard library, Graft, what type checkers alone see, and either side of `except ImportError`.
    """
    for node in _needed(ast.parse(source)):
        names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
        names += [node.module or ""] if isinstance(node, ast.ImportFrom) and not node.level else []
        for name in names:
            top = name.partition(".")[0]
            if top not in sys.stdlib_module_names and top != "graft":
                yield top, node.lineno


def distributions(module: str, homes: Mapping[str, Sequence[str]]) -> list[str]:
    """Return the distributions that have a module, by their names in an index.

    Args:
        module: Its first name.
        homes: As `importlib.metadata.packages_distributions` gives them.
    """
    return sorted({str(canonicalize_name(home)) for home in homes.get(module, ())})


def comes_with(distribution: str) -> set[str]:
    """Return everything that is installed when a distribution is, with all of its extras, by name."""
    found: set[str] = set()
    waiting = [(str(canonicalize_name(distribution)), True)]
    while waiting:
        name, extras = waiting.pop()
        if name not in found:
            found.add(name)
            waiting += [(one, bool(asked.extras)) for one, asked in required(name, extras=extras).items()]
    return found


def required(distribution: str, *, extras: bool = True) -> dict[str, Requirement]:
    """Return what an installed distribution asks for, by name; nothing where it is not installed.

    Args:
        distribution: Its name.
        extras: Whether what its extras ask for is among it.
    """
    try:
        asked = map(Requirement, requires(distribution) or ())
        return {
            str(canonicalize_name(one.name)): one
            for one in asked
            if extras or one.marker is None or "extra" not in str(one.marker)
        }
    except PackageNotFoundError:
        return {}


def extras_named(text: str, distribution: str) -> list[str]:
    """Return the extras of a distribution that a text says to install, as in `pip install graft-sky[fits]`."""
    own = canonicalize_name(distribution)
    found = re.findall(r"([A-Za-z0-9][A-Za-z0-9._-]*)\[([^\]]+)\]", text)
    return [extra.strip() for name, extras in found if canonicalize_name(name) == own for extra in extras.split(",")]


def _needed(node: ast.AST) -> Iterator[ast.Import | ast.ImportFrom]:
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.Import | ast.ImportFrom):
            yield child
        elif isinstance(child, ast.If) and "TYPE_CHECKING" in ast.unparse(child.test):
            yield from _needed(ast.Module(child.orelse, []))
        elif isinstance(child, ast.Try) and any(_is_of_imports(handler) for handler in child.handlers):
            yield from _needed(ast.Module([*child.orelse, *child.finalbody], []))
        else:
            yield from _needed(child)


def _is_of_imports(handler: ast.ExceptHandler) -> bool:
    return handler.type is not None and bool(re.search("ImportError|ModuleNotFoundError", ast.unparse(handler.type)))
