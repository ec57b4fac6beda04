from __future__ import annotations

import inspect
import re
import textwrap
from pathlib import Path
from types import ModuleType

import pytest

from graft.plugins import HOOKS, hookspecs
from graft.plugins.discovery import Candidate
from graft.plugins.loading import LoadedPlugin, load

PAGE = Path(__file__).parents[3] / "docs" / "plugin-authors" / "hooks.md"


def example(hook: str) -> str:
    """The code of the docstring's example."""
    text = textwrap.dedent((inspect.getdoc(getattr(hookspecs, hook)) or "").partition("Example:\n")[2])
    match = re.search(r"```python\n(.*?)```", text, re.DOTALL)
    assert match, f"{hook} has no example"
    return match[1]


def test_hookspecs__are_exactly_the_hooks_of_the_contract() -> None:
    specs = [name for name, value in vars(hookspecs).items() if getattr(value, f"{hookspecs.PROJECT}_spec", None)]
    assert specs == list(HOOKS)


@pytest.mark.parametrize("hook", HOOKS)
def test_hookspec__says_which_descriptor_it_takes(hook: str) -> None:
    assert inspect.signature(getattr(hookspecs, hook)).return_annotation == f"Iterable[{HOOKS[hook].__name__}]"


@pytest.mark.parametrize("hook", HOOKS)
def test_hookspec__has_an_example_that_loads(hook: str) -> None:
    module = ModuleType("example")
    exec(compile(example(hook), hook, "exec"), vars(module))
    loaded = load(Candidate(name="example", source="example", load=lambda: module))
    assert isinstance(loaded, LoadedPlugin), loaded
    assert [type(one) for one in loaded.contributions] == [HOOKS[hook]]


@pytest.mark.parametrize("hook", HOOKS)
def test_hookspec__is_documented_as_it_is(hook: str) -> None:
    sections = {part.partition("\n")[0]: part for part in PAGE.read_text(encoding="utf-8").split("\n## ")[1:]}
    function = getattr(hookspecs, hook)
    summary = (inspect.getdoc(function) or "").partition("\n")[0]
    assert f"`{hook}() -> {inspect.signature(function).return_annotation}`" in sections[hook]
    assert summary in sections[hook]
    assert f"```python\n{example(hook)}```" in sections[hook]


def test_hookspecs__are_all_that_the_page_documents() -> None:
    assert re.findall(r"^## (.+)$", PAGE.read_text(encoding="utf-8"), re.MULTILINE) == list(HOOKS)
