"""A plugin as a whole: that it loads, weighs little, does nothing on import, and fits what else is installed."""

from __future__ import annotations

import inspect
import json
import re
from collections.abc import Iterator

import pytest

from graft.errors import GraftError
from graft.plugins import (
    AugmentationSpec,
    Descriptor,
    DomainSpec,
    HeadSpec,
    MetricSpec,
    PluginInfo,
    Plugins,
    TaskSpec,
)
from graft.testing.conformance.base import Subject
from graft.testing.conformance.places import module_of, place_in_source, place_of_spec, place_of_text, shown
from graft.testing.processes import run_python

HEAVY = (
    *("torch", "torchvision", "timm", "lightning", "albumentations", "cv2", "matplotlib", "sklearn", "scipy"),
    *("pandas", "ultralytics", "monai", "transformers", "tensorflow"),
)
"""Libraries that take long to import: not in what every command imports, nor in what checks recipes."""

HEAVY_IN_A_PACKAGE = (*HEAVY, "numpy", "pydantic", "PIL")
"""Beside these, in the module with the hooks: a package can have everything else in other modules."""

_WATCH = """
import importlib, json, os, sys

modules, heavy, paths = json.loads(sys.argv[1]), set(json.loads(sys.argv[2])), sys.argv[3:]
import graft.plugins
if "options" in paths:
    import graft.errors, graft.recipe.schema
found, folders = [], []

def place():
    frame = sys._getframe(2)
    while frame is not None:
        if any(frame.f_code.co_filename.startswith(folder) for folder in folders):
            return f"{frame.f_code.co_filename}:{frame.f_lineno}"
        frame = frame.f_back
    return None

def hook(event, arguments):
    if event == "import" and (name := arguments[0].partition(".")[0]) in heavy:
        what = f"imports {name}"
    elif event == "open" and isinstance(arguments[2], int) and arguments[2] & (os.O_WRONLY | os.O_RDWR):
        what = f"writes the file {arguments[0]}"
    elif event in ("os.mkdir", "os.remove", "os.rename", "shutil.rmtree"):
        what = f"changes files: {event} {arguments[0]}"
    elif event in ("socket.connect", "socket.getaddrinfo", "socket.bind"):
        what = "opens the network"
    elif event in ("subprocess.Popen", "os.system", "os.exec", "os.posix_spawn"):
        what = f"starts a program: {arguments[0]}"
    else:
        return
    where = place()
    if where and what not in [one[0] for one in found]:
        found.append((what, where))

sys.addaudithook(hook)
for module in modules:
    spec = importlib.util.find_spec(module)
    folders.append(os.path.dirname(spec.origin) if spec.parent else spec.origin)
    importlib.import_module(module)
print(json.dumps(found))
"""


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

    def test_plugin__says_its_version_of_the_contract(self, plugin: PluginInfo) -> None:
        """`HOOK_API` is a number in its own source."""
        module = module_of(plugin)
        source = inspect.getsource(module) if module is not None else ""
        if not re.search(r"^HOOK_API(: int)? = \d+", source, re.MULTILINE):
            _fail(
                plugin,
                "HOOK_API is not written as a number: one that is imported would always fit, and tell nothing",
                expected="`HOOK_API = 1`",
                at=place_of_text(module, "HOOK_API"),
            )

    def test_plugin__names_are_its_own(self, plugin: PluginInfo, graft_plugins: Plugins) -> None:
        """Nobody else that is installed offers something by the same name."""
        own = graft_plugins.contributions(plugin)
        for spec in own:
            others = [
                other
                for one in graft_plugins.loaded
                if one is not plugin
                for other in graft_plugins.contributions(one)
                if type(other) is type(spec) and other.name == spec.name
            ]
            if others:
                _fail(
                    plugin,
                    f"the {spec.kind} '{spec.name}' is also offered by {graft_plugins.owner(others[0]).name}, and can "
                    f"only be reached as '{plugin.name}:{spec.name}'",
                    expected="a name that is not in use",
                    at=place_of_spec(spec, plugin),
                )

    def test_plugin__everything_it_names_is_there(self, plugin: PluginInfo, graft_plugins: Plugins) -> None:
        """Targets, options and functions can be imported; the parts that a task has by default are offered."""
        for spec in graft_plugins.contributions(plugin):
            if not isinstance(spec, Descriptor):
                continue
            subject = Subject(spec, graft_plugins)
            expected = "only what can be imported"
            if not any(_missing(module) for module in spec.requires):
                assert subject.target is not None
            with subject.doing("importing what it names", expected=expected, at=subject.place):
                graft_plugins.options(spec)
                if isinstance(spec, TaskSpec) and spec.sample:
                    graft_plugins.sample(spec)
                if isinstance(spec, DomainSpec):
                    for takes in spec.samples:
                        graft_plugins.sample(spec, takes)
            for kind, name in _names(spec):
                try:
                    graft_plugins.find(kind, name)
                except GraftError as error:
                    subject.fail(str(error), expected=f"a {kind.kind} that is offered", at=subject.place)

    def test_plugin__is_light(self, plugin: PluginInfo) -> None:
        """Importing its hooks imports nothing heavy, writes no file and opens no network: every command does it."""
        single = plugin.source.endswith(".py")
        module = module_of(plugin)
        assert module is not None
        self._watch(plugin, [module.__name__], HEAVY if single else HEAVY_IN_A_PACKAGE)

    def test_options__are_light(self, plugin: PluginInfo, graft_plugins: Plugins) -> None:
        """Modules with options, and with `fits`, import no torch and the like: recipes are checked without."""
        if plugin.source.endswith(".py"):
            pytest.skip("a plugin of one file has no other modules")
        names: list[str] = []
        for spec in graft_plugins.contributions(plugin):
            if isinstance(spec, Descriptor) and spec.options is not None:
                names.append(spec.options.partition(":")[0])
            if isinstance(spec, HeadSpec) and spec.fits is not None:
                names.append(spec.fits.partition(":")[0])
        self._watch(plugin, sorted(set(names)), HEAVY, "options")

    def _watch(self, plugin: PluginInfo, modules: list[str], heavy: tuple[str, ...], *more: str) -> None:
        own = [name for name in heavy if name != plugin.source.partition(".")[0]]
        done = run_python(_WATCH, json.dumps(modules), json.dumps(own), *more)
        if done.code:
            _fail(plugin, f"cannot be imported alone: {done.err}", expected="an import that works", at=modules[0])
        found = json.loads(done.out.strip().splitlines()[-1])
        for what, where in found:
            file, _, line = where.rpartition(":")
            _fail(
                plugin,
                f"importing {' and '.join(modules)} {what}",
                expected="nothing heavy, no file and no network at import: import it in the function that uses it",
                at=f"{shown(file)}:{line}",
            )


def _names(spec: Descriptor) -> Iterator[tuple[type[Descriptor], str]]:
    """Yield what a descriptor refers to by name."""
    if isinstance(spec, TaskSpec):
        yield HeadSpec, spec.head
        yield AugmentationSpec, spec.augment
        for name in spec.metrics:
            yield MetricSpec, name


def _missing(module: str) -> bool:
    import importlib.util

    try:
        return importlib.util.find_spec(module) is None
    except ModuleNotFoundError:
        return True


def _fail(plugin: PluginInfo, what: str, *, expected: str, at: str) -> None:
    pytest.fail(f"plugin '{plugin.name}': {what}\n  expected  {expected}\n  mend      {at}", pytrace=False)
