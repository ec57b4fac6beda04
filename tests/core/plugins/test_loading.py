from __future__ import annotations

import random
import signal
import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace

import pytest

from distributions import BROKEN, DISTURBING, HEADER, install, reader
from graft.plugins import HOOK_API, ReaderSpec, discovery, hookimpl
from graft.plugins.discovery import Candidate
from graft.plugins.loading import BrokenPlugin, LoadedPlugin, load


def candidate(name: str) -> Candidate:
    return next(one for one in discovery.installed() if one.name == name)


@pytest.mark.parametrize("name", [name for name in BROKEN if not name.startswith("takes-core")])
def test_load__a_broken_plugin_is_recorded_with_its_cause(
    site: Path, name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    code, cause = BROKEN[name]
    install(site, name, code, version="3.1")
    result = load(candidate(name))
    assert isinstance(result, BrokenPlugin)
    assert cause in result.cause
    assert "\n" not in result.cause
    assert result.trace
    assert (result.name, result.version, result.distribution) == (name, "3.1", name)
    assert capsys.readouterr().out == ""


def test_load__a_module_that_does_not_exist(site: Path) -> None:
    module = install(site, "absent-module", "")
    (site / f"{module}.py").unlink()
    result = load(candidate("absent-module"))
    assert isinstance(result, BrokenPlugin)
    assert result.cause == "its module 'absent_module' does not exist"


def test_load__every_fault_is_in_the_trace(site: Path) -> None:
    install(site, "two-faults", HEADER + "@hookimpl\ndef graft_tasks():\n    return [1, 2]\n")
    result = load(candidate("two-faults"))
    assert isinstance(result, BrokenPlugin)
    assert result.cause.endswith("(and 1 more)")
    assert len(result.trace.splitlines()) == 2


def test_load__a_generator_is_materialised(site: Path) -> None:
    code = reader("yielded", module="yields").replace("return [", "yield from [")
    install(site, "yields", code)
    result = load(candidate("yields"))
    assert isinstance(result, LoadedPlugin)
    assert [one.name for one in result.contributions] == ["yielded"]
    assert result.info.hooks == ("graft_readers",)
    assert str(result.info) == "yields 1.0"


def test_load__a_hook_of_a_later_version_may_be_optional(site: Path) -> None:
    extra = "@hookimpl(optionalhook=True)\ndef graft_dreams():\n    return []\n"
    install(site, "forward", reader("forward", module="forward") + extra)
    assert isinstance(load(candidate("forward")), LoadedPlugin)


def test_load__an_object_can_have_the_hooks() -> None:
    class Hooks:
        HOOK_API = HOOK_API

        @hookimpl
        def graft_readers(self) -> list[ReaderSpec]:
            return [ReaderSpec(name="r", summary="Reads.", target="a:B", gives="labels")]

    assert isinstance(load(Candidate(name="object", source="here", load=Hooks)), LoadedPlugin)


def test_load__a_plugin_that_disturbs_works_and_leaves_nothing_behind(
    site: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    install(site, "disturbs", DISTURBING + reader("disturbs", module="disturbs"))
    folder, path, state = Path.cwd(), list(sys.path), random.getstate()
    handler = signal.getsignal(signal.SIGINT)
    assert isinstance(load(candidate("disturbs")), LoadedPlugin)
    assert (Path.cwd(), sys.path, random.getstate()) == (folder, path, state)
    assert signal.getsignal(signal.SIGINT) is handler
    assert capsys.readouterr().out == ""


def test_load__the_users_interrupt_is_not_the_plugins(site: Path) -> None:
    def interrupted() -> ModuleType:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        load(Candidate(name="slow", source="slow", load=interrupted))


def test_load__raises_when_it_is_asked_to(site: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GRAFT_RAISE_PLUGIN_ERRORS", "1")
    install(site, "raises-loudly", "raise ImportError('loud')")
    with pytest.raises(ImportError, match="loud"):
        load(candidate("raises-loudly"))


def test_load__traces_each_call(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv("GRAFT_TRACE_PLUGINS", "1")
    load(discovery.core())
    first, *hooks = capsys.readouterr().err.splitlines()
    assert first.startswith("plugin core: import -> done (")
    assert any(line.startswith("plugin core: graft_readers -> folder, csv, sequences (") for line in hooks)


def test_load__api_must_be_a_number() -> None:
    result = load(Candidate(name="odd", source="odd", load=lambda: SimpleNamespace(HOOK_API="1")))
    assert isinstance(result, BrokenPlugin)
    assert "HOOK_API = 1" in result.cause


def test_load__the_trace_shows_what_a_generator_gave(
    site: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    install(site, "yields-late", reader("late", module="yields_late").replace("return [", "yield from ["))
    monkeypatch.setenv("GRAFT_TRACE_PLUGINS", "1")
    load(candidate("yields-late"))
    assert "plugin yields-late: graft_readers -> late (" in capsys.readouterr().err
