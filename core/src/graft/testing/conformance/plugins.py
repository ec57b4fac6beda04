"""A plugin as a whole: that it loads, weighs little, does nothing on import, and fits what else is installed."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from graft.authoring import audit
from graft.authoring.audit import Finding
from graft.authoring.places import place_in_source
from graft.plugins import PluginInfo, Plugins


class PluginConformance:
    """What is checked of a whole plugin, by its name: that of its entry point.

    class TestPlugin(PluginConformance):
        name = "mine"
    """

    name: str | tuple[str, ...] = ()

    @pytest.fixture
    def plugin(self, graft_plugins: Plugins, graft_name: str) -> PluginInfo:
        """The plugin, loaded."""
        for broken in graft_plugins.broken:
            if broken.name == graft_name:
                pytest.fail(
                    f"plugin '{graft_name}' is broken: {broken.cause}\n  expected  a plugin that loads\n"
                    f"  mend      {place_in_source(broken)}",
                    pytrace=False,
                )
        for one in graft_plugins.loaded:
            if one.name == graft_name:
                return one
        known = ", ".join(one.name for one in graft_plugins.loaded)
        pytest.fail(
            f"there is no plugin '{graft_name}'; there are {known}\n  expected  an entry point of the group 'graft' "
            "with that name, or [[local]] in a plugins.toml, and the plugin not switched off\n"
            "  mend      pyproject.toml: [project.entry-points.graft]",
            pytrace=False,
        )

    def test_plugin__says_its_version_of_the_contract(self, plugin: PluginInfo, graft_plugins: Plugins) -> None:
        """`HOOK_API` is a number in its own source."""
        _pass(plugin, audit.version(plugin, graft_plugins))

    def test_plugin__names_are_its_own(self, plugin: PluginInfo, graft_plugins: Plugins) -> None:
        """Nobody else that is installed offers something by the same name."""
        _pass(plugin, audit.names(plugin, graft_plugins))

    def test_plugin__everything_it_names_is_there(self, plugin: PluginInfo, graft_plugins: Plugins) -> None:
        """Targets, options and functions can be imported; the parts that a task has by default are offered."""
        _pass(plugin, audit.references(plugin, graft_plugins))

    def test_plugin__is_light(self, plugin: PluginInfo, graft_plugins: Plugins) -> None:
        """Importing its hooks imports nothing heavy, writes no file and opens no network: every command does it."""
        _pass(plugin, audit.weight(plugin, graft_plugins))

    def test_options__are_light(self, plugin: PluginInfo, graft_plugins: Plugins) -> None:
        """Modules with options, and with `fits`, import no torch and the like: recipes are checked without."""
        _pass(plugin, audit.weight_of_options(plugin, graft_plugins))

    def test_plugin__comes_with_what_it_imports(self, plugin: PluginInfo, graft_plugins: Plugins) -> None:
        """What its code imports is installed with it, and there are the extras that users are told of."""
        _pass(plugin, audit.dependencies(plugin, graft_plugins))


def _pass(plugin: PluginInfo, findings: Iterator[Finding]) -> None:
    """Fail with the first finding, if there is one."""
    for one in findings:
        said = f"plugin '{plugin.name}': {' '.join(one.what.split())}"
        pytest.fail(f"{said}\n  expected  {one.expected}\n  mend      {one.at}", pytrace=False)
