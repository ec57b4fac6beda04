from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

import graft

SOURCES = sorted(Path(graft.__file__).parent.rglob("*.py"))


def raised(name: str) -> Iterator[tuple[str, ast.Call]]:
    """Each call of `name` in Graft's code, with where it stands."""
    for path in SOURCES:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and getattr(node.func, "id", "") == name:
                yield f"{path.name}:{node.lineno}", node


@pytest.mark.parametrize("name", ["WeightsError", "OfflineError"])
def test_error__says_what_to_type_next(name: str) -> None:
    calls = dict(raised(name))
    assert len(calls) >= 5
    without = [where for where, call in calls.items() if "fix" not in [keyword.arg for keyword in call.keywords]]
    assert without == []
