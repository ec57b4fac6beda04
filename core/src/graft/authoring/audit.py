"""What is looked at of a plugin as a whole, without training anything: for `graft plugins check`, and for its tests."""

from __future__ import annotations

import importlib.util
import inspect
import json
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from importlib.metadata import metadata, packages_distributions
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ValidationError

from graft.authoring.imports import CORE, comes_with, distributions, extras_named, imported
from graft.authoring.places import module_of, place, place_of_error, place_of_spec, place_of_text, shown
from graft.errors import GraftError, PluginError
from graft.plugins import (
    AugmentationSpec,
    Contribution,
    Descriptor,
    DomainSpec,
    HeadSpec,
    MetricSpec,
    PluginInfo,
    Plugins,
    TaskSpec,
)
from graft.testing.processes import run_python

_UNKNOWN = "surely_no_such_key"

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


@dataclass(frozen=True, kw_only=True)
class Finding:
    """Something that is not right.

    Args:
        what: What was found.
        expected: What the contract asks for.
        at: `file:line` of what is to be mended.
    """

    what: str
    expected: str
    at: str


def version(plugin: PluginInfo, plugins: Plugins) -> Iterator[Finding]:
    """Look whether `HOOK_API` is a number in the plugin's own source."""
    module = module_of(plugin)
    source = inspect.getsource(module) if module is not None else ""
    if not re.search(r"^HOOK_API(: int)? = \d+", source, re.MULTILINE):
        yield Finding(
            what="HOOK_API is not written as a number: one that is imported would always fit, and tell nothing",
            expected="`HOOK_API = 1`",
            at=place_of_text(module, "HOOK_API"),
        )


def names(plugin: PluginInfo, plugins: Plugins) -> Iterator[Finding]:
    """Look whether somebody else that is installed offers something by the same name."""
    for spec in plugins.contributions(plugin):
        others = [
            other
            for one in plugins.loaded
            if one is not plugin
            for other in plugins.contributions(one)
            if type(other) is type(spec) and other.name == spec.name
        ]
        if others:
            yield Finding(
                what=f"the {spec.kind} '{spec.name}' is also offered by {plugins.owner(others[0]).name}, and can only "
                f"be reached as '{plugin.name}:{spec.name}'",
                expected="a name that is not in use",
                at=place_of_spec(spec, plugin),
            )


def references(plugin: PluginInfo, plugins: Plugins) -> Iterator[Finding]:
    """Look whether targets, options and functions can be imported, and what is named is offered."""
    for spec in plugins.contributions(plugin):
        if not isinstance(spec, Descriptor):
            continue
        at = place_of_spec(spec, plugin)
        for what, importing in _imports(spec, plugins):
            try:
                importing()
            except PluginError as error:
                cause = error.__cause__
                yield Finding(
                    what=f"{spec.kind} '{spec.name}' ({spec.target}): {error}",
                    expected=f"{what} that can be imported",
                    at=(place_of_error(cause, _own(plugin)) if cause is not None else None) or at,
                )
        for kind, name in _named(spec):
            try:
                plugins.find(kind, name)
            except GraftError as error:
                yield Finding(
                    what=f"{spec.kind} '{spec.name}' ({spec.target}): {error}",
                    expected=f"a {kind.kind} that is offered",
                    at=at,
                )


def weight(plugin: PluginInfo, plugins: Plugins) -> Iterator[Finding]:
    """Look whether importing the hooks imports something heavy, writes a file or opens the network."""
    module = module_of(plugin)
    assert module is not None
    yield from _watched(plugin, [module.__name__], HEAVY if _single(plugin) else HEAVY_IN_A_PACKAGE)


def weight_of_options(plugin: PluginInfo, plugins: Plugins) -> Iterator[Finding]:
    """Look whether modules with options, and with `fits`, import torch and the like: recipes are checked without."""
    modules = set()
    for spec in plugins.contributions(plugin):
        if isinstance(spec, Descriptor) and spec.options is not None:
            modules.add(spec.options.partition(":")[0])
        if isinstance(spec, HeadSpec) and spec.fits is not None:
            modules.add(spec.fits.partition(":")[0])
    if modules and not _single(plugin):
        yield from _watched(plugin, sorted(modules), HEAVY, "options")


def options(plugin: PluginInfo, plugins: Plugins) -> Iterator[Finding]:
    """Look whether each options model refuses what it does not know, and says what its fields are."""
    for spec in plugins.contributions(plugin):
        if not isinstance(spec, Descriptor) or spec.options is None:
            continue
        try:
            model = plugins.options(spec)
        except PluginError:
            continue  # which is `references`' to say
        for what, expected in faults_of_options(model):
            yield Finding(what=f"{spec.kind} '{spec.name}': {what}", expected=expected, at=place(model))


def faults_of_options(model: Any, given: Mapping[str, Any] | None = None) -> Iterator[tuple[str, str]]:
    """Yield what is wrong with an options model, and what is expected of one.

    Args:
        model: What a descriptor's `options` names.
        given: Values for the fields that have no default.
    """
    if not (inspect.isclass(model) and issubclass(model, BaseModel)):
        yield f"`options` is {model!r}", "a subclass of graft.recipe.Options"
        return
    try:
        model(**{**(given or {}), _UNKNOWN: 1})
    except ValidationError as error:
        refused = any(one["type"] == "extra_forbidden" for one in error.errors())
    else:
        refused = False
    if not refused:
        what = f"its options take the unknown key '{_UNKNOWN}', so a misspelt one would do nothing and say nothing"
        yield what, 'a subclass of graft.recipe.Options, or `extra="forbid"`'
    try:
        model.model_json_schema()
    except Exception as error:  # pydantic has several, and an author's own types may raise anything
        yield f"its options have no schema: {type(error).__name__}: {error}", "fields of types that JSON knows"
    silent = [name for name, field in model.model_fields.items() if not field.description]
    if silent:
        what = f"its options {', '.join(silent)} have no text under them"
        yield what, "a text under each field: its help in `graft recipe schema`"


def dependencies(plugin: PluginInfo, plugins: Plugins) -> Iterator[Finding]:
    """Look whether what its code imports is installed with it, and whether it has the extras that users are told of."""
    if plugin.distribution is None:
        return
    known = comes_with(plugin.distribution) | comes_with(CORE)  # which is there wherever a plugin is loaded
    homes = packages_distributions()
    seen = {plugin.source.partition(":")[0].partition(".")[0]}
    for file in _sources(plugin):
        for module, line in imported(file.read_text(encoding="utf-8")):
            found = distributions(module, homes)
            if module not in seen and found and not known & set(found):
                yield Finding(
                    what=f"it imports {module}, and {found[0]} is not installed with {plugin.distribution}",
                    expected=f'"{found[0]}" among the dependencies, or those of an extra',
                    at=f"{shown(str(file))}:{line}",
                )
            seen.add(module)
    offered = metadata(plugin.distribution).get_all("Provides-Extra") or []
    for spec in plugins.contributions(plugin):
        for install in spec.requires.values() if isinstance(spec, Descriptor) else ():
            for extra in extras_named(install, plugin.distribution):
                if extra not in offered:
                    yield Finding(
                        what=f"{spec.kind} '{spec.name}' tells users of the extra '{extra}', which there is not",
                        expected=f"[project.optional-dependencies] with '{extra}'",
                        at=place_of_spec(spec, plugin),
                    )


def licence(plugin: PluginInfo, plugins: Plugins) -> Iterator[Finding]:
    """Look whether a distribution says its licence: it is shown in reports and bundles."""
    if plugin.distribution is not None and not plugin.licence:
        yield Finding(
            what=f"{plugin.distribution} names no licence",
            expected='license = "…" (SPDX)',
            at="pyproject.toml: [project]",
        )


CHECKS: Mapping[str, Callable[[PluginInfo, Plugins], Iterator[Finding]]] = {
    "says its version of the contract": version,
    "its names are its own": names,
    "all that it names is there": references,
    "its hooks are light, and do nothing on import": weight,
    "its options are light": weight_of_options,
    "its options are checked, and say what they are": options,
    "what it imports is installed with it": dependencies,
    "its licence is known": licence,
}
"""By what each finds to be so."""


def _imports(spec: Descriptor, plugins: Plugins) -> Iterator[tuple[str, Callable[[], object]]]:
    """Yield what a descriptor names for import, unless it needs what is not installed here."""
    if all(importable(module) for module in spec.requires):
        yield "a target", lambda: plugins.target(spec)
    yield "options", lambda: plugins.options(spec)
    if isinstance(spec, TaskSpec) and spec.sample:
        yield "a function", lambda: plugins.sample(spec)
    if isinstance(spec, DomainSpec):
        for takes in spec.samples:
            yield "a function", lambda takes=takes: plugins.sample(spec, takes)  # type: ignore[misc]


def _named(spec: Contribution) -> Iterator[tuple[type[Descriptor], str]]:
    """Yield what a descriptor refers to by name."""
    if isinstance(spec, TaskSpec):
        yield HeadSpec, spec.head
        yield AugmentationSpec, spec.augment
        for name in spec.metrics:
            yield MetricSpec, name


def _watched(plugin: PluginInfo, modules: list[str], heavy: tuple[str, ...], *more: str) -> Iterator[Finding]:
    own = [name for name in heavy if name != plugin.source.partition(".")[0]]
    done = run_python(_WATCH, json.dumps(modules), json.dumps(own), *more)
    if done.code:
        yield Finding(what=f"cannot be imported alone: {done.err}", expected="an import that works", at=modules[0])
        return
    for what, where in json.loads(done.out.strip().splitlines()[-1]):
        file, _, line = where.rpartition(":")
        yield Finding(
            what=f"importing {' and '.join(modules)} {what}",
            expected="nothing heavy, no file and no network at import: import it in the function that uses it",
            at=f"{shown(file)}:{line}",
        )


def _own(plugin: PluginInfo) -> list[Path]:
    """Return the folder of the plugin's package, or the file of one that is a single file."""
    module = module_of(plugin)
    file = getattr(module, "__file__", None)
    if file is None:
        return []
    return [Path(file).parent if module is not None and module.__package__ else Path(file)]


def _sources(plugin: PluginInfo) -> Iterator[Path]:
    """Yield the files of the plugin's own code."""
    for own in _own(plugin):
        if _single(plugin):
            yield Path(str(getattr(module_of(plugin), "__file__", own)))
        else:
            yield from sorted(own.rglob("*.py"))


def _single(plugin: PluginInfo) -> bool:
    """Return whether all of a plugin is one module, which has nowhere else to import what its code needs."""
    return plugin.source.endswith(".py") or not getattr(module_of(plugin), "__package__", None)


def importable(module: str) -> bool:
    """Return whether a module is installed."""
    try:
        return importlib.util.find_spec(module) is not None
    except ModuleNotFoundError:
        return False
