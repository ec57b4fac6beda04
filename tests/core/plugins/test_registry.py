from __future__ import annotations

from pathlib import Path

import pytest

from distributions import COMMAND, HEADER, install, reader
from graft.errors import PluginError
from graft.plugins import CommandSpec, HeadSpec, ReaderSpec, StrategySpec, TaskSpec, core_plugins, load_plugins
from graft.recipe.schema import Options

TASK = """
@hookimpl
def graft_tasks():
    return [TaskSpec(name={name!r}, summary="Counts.", target="m:T", verb={verb!r}, takes="numbers", head="h",
                     augment="flip", metrics=("mae",), monitor="mae")]
"""


def test_find__a_clash_belongs_to_neither(site: Path) -> None:
    install(site, "graft-a", reader("tiles", module="graft_a"), entry="a", version="1.5")
    install(site, "graft-b", reader("tiles", module="graft_b"), entry="b")
    plugins = load_plugins()
    assert {"a:tiles", "b:tiles"} <= set(plugins.specs(ReaderSpec))
    assert "tiles" not in plugins.specs(ReaderSpec)
    assert plugins.owner(plugins.find(ReaderSpec, "b:tiles")).name == "b"
    with pytest.raises(PluginError) as raised:
        plugins.find(ReaderSpec, "tiles")
    assert str(raised.value) == (
        "reader 'tiles' is offered by graft-a 1.5 and graft-b 1.0\nFix: write a:tiles or b:tiles"
    )
    (line,) = plugins.clashes()
    assert "a:tiles or b:tiles" in line
    assert plugins.broken == ()


def test_find__a_clash_of_one_kind_leaves_other_kinds_alone(site: Path) -> None:
    install(site, "graft-a", reader("tiles", module="graft_a"), entry="a")
    install(site, "graft-b", HEADER + COMMAND.format(name="tiles", module="graft_b"), entry="b")
    plugins = load_plugins()
    assert plugins.find(ReaderSpec, "tiles") is plugins.find(ReaderSpec, "a:tiles")
    assert plugins.find(CommandSpec, "tiles")
    assert list(plugins.clashes()) == []


def test_find__entry_points_of_one_name_are_both_reached(site: Path) -> None:
    install(site, "one-zoo", reader("one", module="one_zoo"), entry="zoo")
    install(site, "two-zoo", reader("two", module="two_zoo"), entry="zoo")
    Path("plugins.toml").write_text('disable = ["zoo"]', encoding="utf-8")
    plugins = load_plugins()
    assert plugins.find(ReaderSpec, "one-zoo:one").name == "one"
    assert plugins.find(ReaderSpec, "two").name == "two"
    assert "several distributions have a plugin 'zoo': write one-zoo or two-zoo" in plugins.notices[0]


def test_find__an_unknown_name_has_a_hint() -> None:
    with pytest.raises(PluginError, match=r"there is no reader 'foldr' \(did you mean 'folder'\?\)"):
        core_plugins().find(ReaderSpec, "foldr")
    with pytest.raises(PluginError, match="there is no head 'x'"):
        core_plugins().find(HeadSpec, "x")


def test_find__says_when_the_plugin_is_broken_or_off(site: Path) -> None:
    install(site, "faulty", "import surely_not_installed")
    install(site, "idle", reader("idle", module="idle"))
    Path("plugins.toml").write_text('disable = ["idle"]', encoding="utf-8")
    plugins = load_plugins()
    with pytest.raises(PluginError, match=r"plugin faulty 1\.0 is broken: it needs the module 'surely_not_installed'"):
        plugins.find(TaskSpec, "faulty:thing")
    with pytest.raises(PluginError, match=r"it may belong to a plugin that is broken: faulty 1\.0"):
        plugins.find(ReaderSpec, "something-else")
    with pytest.raises(PluginError, match=r"plugin 'idle' is off, in `disable` of .*plugins\.toml"):
        plugins.find(ReaderSpec, "idle")


def test_commands__are_verbs_and_commands(site: Path) -> None:
    install(site, "counting", HEADER + TASK.format(name="counting", verb="count"))
    install(site, "tiling", HEADER + COMMAND.format(name="tiles", module="tiling"))
    commands = load_plugins().commands()
    assert isinstance(commands["count"], TaskSpec)
    assert isinstance(commands["tiles"], CommandSpec)
    assert "doctor" in commands


def test_commands__a_verb_can_clash_with_a_command(site: Path) -> None:
    install(site, "counting", HEADER + TASK.format(name="counting", verb="count"))
    install(site, "counter", HEADER + COMMAND.format(name="count", module="counter"))
    assert {"counting:count", "counter:count"} <= set(load_plugins().commands())
    assert "count" not in load_plugins().commands()


@pytest.mark.parametrize(
    ("code", "cause"),
    [
        (HEADER + TASK.format(name="t", verb="doctor"), "the verb 'doctor' of its task 't' is a command of core's"),
        (
            HEADER + TASK.format(name="t", verb="go") + COMMAND.format(name="go", module="m"),
            "two of its tasks and commands are both called `graft go`",
        ),
    ],
)
def test_commands__a_plugin_must_not_take_a_word_twice(site: Path, code: str, cause: str) -> None:
    install(site, "greedy", code)
    (plugin,) = [plugin for plugin in load_plugins().broken if plugin.name == "greedy"]
    assert cause in plugin.cause


def test_target__says_what_to_install(site: Path) -> None:
    code = reader("deep", module="json").replace(
        'gives="labels"', 'gives="labels", requires={"surely.absent": "pip install x"}'
    )
    install(site, "needy", code)
    plugins = load_plugins()
    with pytest.raises(PluginError) as raised:
        plugins.target(plugins.find(ReaderSpec, "deep"))
    assert str(raised.value) == (
        "reader 'deep' of plugin needy 1.0 needs the module 'surely.absent', which is not installed\nFix: pip install x"
    )


@pytest.mark.parametrize(
    ("body", "cause"),
    [
        ("raise ValueError('bad build')", "ValueError: bad build"),
        ("raise SystemExit(1)", "it calls sys.exit(1)"),
        ("import surely_not_installed", "it needs the module 'surely_not_installed', which is not installed"),
        ("def broken(:", "syntax error in targeted_code.py line 1"),
        ("", "has no attribute 'Reader'"),
    ],
)
def test_target__names_plugin_module_and_cause(site: Path, body: str, cause: str) -> None:
    install(site, "targeted", reader("late", module="targeted_code"))
    (site / "targeted_code.py").write_text(body, encoding="utf-8")
    plugins = load_plugins()
    with pytest.raises(PluginError) as raised:
        plugins.target(plugins.find(ReaderSpec, "late"))
    assert cause in str(raised.value)
    assert "reader 'late' of plugin targeted 1.0 cannot be used: targeted_code:Reader" in str(raised.value)


def test_target__what_it_prints_is_not_the_commands_output(site: Path, capsys: pytest.CaptureFixture[str]) -> None:
    install(site, "chatty", reader("chatty", module="chatty_code"))
    (site / "chatty_code.py").write_text("print('hello')\nclass Reader: pass", encoding="utf-8")
    plugins = load_plugins()
    assert plugins.target(plugins.find(ReaderSpec, "chatty")).__name__ == "Reader"
    assert capsys.readouterr().out == ""


def test_options__are_none_unless_declared(site: Path) -> None:
    install(site, "plain", reader("plain", module="json"))
    plugins = load_plugins()
    assert plugins.options(plugins.find(ReaderSpec, "plain")) is Options


def test_contributions__are_by_owner() -> None:
    plugins = core_plugins()
    (core,) = plugins.loaded
    spec = plugins.find(StrategySpec, "core:full")
    assert spec in plugins.contributions(core)
    assert plugins.owner(spec) is core


def test_find__a_plugin_that_graft_knows_and_is_not_there_is_said_to_install() -> None:
    from graft.plugins import DomainSpec
    from graft.plugins.registry import installing
    from toys import toy_plugins

    extra = "medical"  # as core's metadata lists it
    assert installing(extra) == 'pip install "graft-core[medical]"'
    assert installing("onyx") is None
    with pytest.raises(PluginError, match=r"there is no domain 'medical'") as raised:
        toy_plugins().find(DomainSpec, extra)
    assert raised.value.fix == 'pip install "graft-core[medical]"'
