from __future__ import annotations

import sys
from pathlib import Path

import pytest

from distributions import BROKEN, install, reader
from graft.plugins import ReaderSpec, load_plugins


def test_load_plugins__twenty_broken_plugins_cost_only_themselves(site: Path) -> None:
    for name, (code, _) in BROKEN.items():
        install(site, name, code)
    install(site, "sound", reader("sound", module="sound"))
    plugins = load_plugins()
    assert {plugin.name for plugin in plugins.broken} == set(BROKEN)
    assert {"core", "sound"} <= {plugin.name for plugin in plugins.loaded}
    assert {"folder", "csv", "sound"} <= set(plugins.specs(ReaderSpec))
    for plugin in plugins.broken:
        assert BROKEN[plugin.name][1] in plugin.cause
    warnings = list(plugins.warnings())
    assert len(warnings) == len(BROKEN)
    assert all("1.0 is broken: " in warning and warning.endswith("(run: graft doctor)") for warning in warnings)


def test_load_plugins__core_alone(site: Path) -> None:
    install(site, "unwanted", "raise ImportError")
    plugins = load_plugins(names=[])
    assert [plugin.name for plugin in plugins.loaded] == ["core"]
    assert plugins.broken == ()
    assert "unwanted" in [plugin.name for plugin in plugins.off]
    assert "unwanted" not in sys.modules


def test_load_plugins__the_environment_can_ask_for_core_alone(site: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GRAFT_PLUGINS", "")
    assert [plugin.name for plugin in load_plugins().loaded] == ["core"]


def test_load_plugins__an_unknown_name_is_a_warning(site: Path) -> None:
    Path("plugins.toml").write_text('disable = ["soundd"]', encoding="utf-8")
    install(site, "sound", reader("sound", module="sound"))
    (notice,) = load_plugins().notices
    assert "there is no plugin 'soundd' (did you mean 'sound'?)" in notice
    assert "plugins.toml" in notice


def test_load_plugins__never_imports_a_file_that_nobody_named(site: Path) -> None:
    Path("graft_lying_about.py").write_text(reader("lying", module="x"), encoding="utf-8")
    assert "lying" not in load_plugins().specs(ReaderSpec)


def test_load_plugins__imports_a_file_that_is_named(site: Path) -> None:
    Path("plugins.toml").write_text(
        '[[local]]\npath = "my_named_reader.py"\n[plugins.my_named_reader]\ndepth = 3\n', encoding="utf-8"
    )
    code = reader("named", module="my_named_reader") + "class Reader: pass\n"
    Path("my_named_reader.py").write_text(code, encoding="utf-8")
    plugins = load_plugins()
    spec = plugins.find(ReaderSpec, "named")
    assert plugins.owner(spec).name == "my_named_reader"
    assert plugins.target(spec) is sys.modules["my_named_reader"].Reader
    assert plugins.settings("my_named_reader") == {"depth": 3}
    assert plugins.settings("another") == {}
    assert plugins.notices == ()


def test_load_plugins__a_local_name_that_is_taken_is_broken(site: Path) -> None:
    Path("plugins.toml").write_text('[[local]]\npath = "mine.py"\nname = "core"', encoding="utf-8")
    Path("mine.py").write_text(reader("mine", module="mine"), encoding="utf-8")
    (plugin,) = load_plugins().broken
    assert plugin.cause == "the name 'core' is taken"


def test_load_plugins__says_by_whose_wish_each_is_on(site: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    install(site, "listed", reader("listed", module="listed"))
    install(site, "unlisted", "raise AssertionError('imported')")
    Path("mine.py").write_text(reader("mine", module="mine"), encoding="utf-8")
    manifest = Path("plugins.toml").absolute()
    manifest.write_text('enable = ["listed"]\n[[local]]\npath = "mine.py"\n', encoding="utf-8")
    plugins = load_plugins()
    assert {plugin.name: plugin.why for plugin in plugins.loaded} == {
        "core": "part of Graft",
        "listed": f"installed, and in `enable` of {manifest}",
        "mine": f"[[local]] of {manifest}",
    }
    assert plugins.broken == ()
    assert next(plugin.why for plugin in plugins.off if plugin.name == "unlisted") == f"not in `enable` of {manifest}"
    monkeypatch.setenv("GRAFT_PLUGINS", "listed")
    assert load_plugins().loaded[1].why == "installed, and in GRAFT_PLUGINS"
    monkeypatch.delenv("GRAFT_PLUGINS")
    manifest.unlink()
    assert next(plugin.why for plugin in load_plugins().loaded if plugin.name == "listed") == "installed"
