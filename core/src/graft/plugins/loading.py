"""One plugin, loaded by itself: all that it offers, or the cause why it offers nothing."""

from __future__ import annotations

import os
import sys
import time
import traceback
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from inspect import isfunction
from pathlib import Path
from types import ModuleType

import pluggy

from graft.errors import did_you_mean
from graft.plugins import hookspecs
from graft.plugins.checks import faults_of_returned
from graft.plugins.descriptors import HOOK_API, HOOKS, Contribution
from graft.plugins.discovery import Candidate
from graft.plugins.isolation import isolated


@dataclass(frozen=True, kw_only=True)
class PluginInfo:
    """A plugin that works.

    Args:
        name: Its name: in `plugins.toml`, in `GRAFT_PLUGINS`, and before the colon of a qualified name.
        version: Its distribution's; None for a single file.
        distribution: What was installed; None for a single file.
        licence: As the distribution's metadata has it.
        source: The module or the file that has its hooks.
        hooks: The hooks that it implements.
        why: By whose wish it is on.
    """

    name: str
    version: str | None
    distribution: str | None
    licence: str | None
    source: str
    hooks: tuple[str, ...]
    why: str = ""

    def __str__(self) -> str:
        return f"{self.name} {self.version}" if self.version else self.name


@dataclass(frozen=True, kw_only=True)
class BrokenPlugin:
    """A plugin that offers nothing, and why.

    Args:
        name: As in `PluginInfo`.
        version: As in `PluginInfo`.
        distribution: As in `PluginInfo`.
        source: As in `PluginInfo`.
        cause: One line.
        trace: The whole story.
    """

    name: str
    version: str | None
    distribution: str | None
    source: str
    cause: str
    trace: str

    def __str__(self) -> str:
        return f"{self.name} {self.version}" if self.version else self.name


@dataclass(frozen=True, kw_only=True)
class LoadedPlugin:
    """A plugin that works, and what it offers."""

    info: PluginInfo
    contributions: tuple[Contribution, ...]


class Refused(Exception):
    """A plugin can be imported but breaks the contract.

    Args:
        faults: Everything that is wrong with it.
    """

    def __init__(self, faults: list[str]) -> None:
        more = f" (and {len(faults) - 1} more)" if len(faults) > 1 else ""
        super().__init__(faults[0] + more)
        self.faults = faults


def load(candidate: Candidate) -> LoadedPlugin | BrokenPlugin:
    """Import one plugin, check it against the contract and collect what it offers; all or nothing.

    Raises:
        KeyboardInterrupt: From the user; whatever else a plugin raises makes it a broken one, unless
            `GRAFT_RAISE_PLUGIN_ERRORS=1` asks for the exception itself.
    """
    doing = "import"
    try:
        with isolated():
            plugin = _traced(candidate.name, doing, candidate.load)
            hooks = _implementations(plugin)
            contributions: list[Contribution] = []
            faults: list[str] = []
            for doing, function in hooks.items():
                good, wrong = faults_of_returned(doing, _traced(candidate.name, doing, function))
                contributions += good
                faults += wrong
            if faults:
                raise Refused(faults)
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # a plugin may raise anything, SystemExit included
        if os.environ.get("GRAFT_RAISE_PLUGIN_ERRORS") == "1":
            raise
        return broken(candidate, error, doing=doing)
    info = PluginInfo(
        name=candidate.name,
        version=candidate.version,
        distribution=candidate.distribution,
        licence=candidate.licence,
        source=candidate.source,
        hooks=tuple(hooks),
    )
    return LoadedPlugin(info=info, contributions=tuple(contributions))


def broken(plugin: Candidate | PluginInfo, error: BaseException, *, doing: str = "import") -> BrokenPlugin:
    """Return the record of a plugin that `error` makes unusable."""
    if isinstance(error, Refused):
        cause, trace = str(error), "\n".join(error.faults)
    else:
        cause, trace = explain(error, importing=plugin.source), "".join(traceback.format_exception(error)).rstrip()
        cause = cause if doing == "import" else f"{doing} fails: {cause}"
    return BrokenPlugin(
        name=plugin.name,
        version=plugin.version,
        distribution=plugin.distribution,
        source=plugin.source,
        cause=cause,
        trace=trace,
    )


def explain(error: BaseException, *, importing: str = "") -> str:
    """Return one line on what `error` says, which the code of a plugin raised; `importing` is what was imported."""
    wanted = importing.partition(":")[0]
    if isinstance(error, ModuleNotFoundError) and error.name:
        if error.name == wanted or wanted.startswith(error.name + "."):
            return f"its module {wanted!r} does not exist"
        return f"it needs the module {error.name!r}, which is not installed"
    if isinstance(error, SystemExit):
        return f"it calls sys.exit({'' if error.code is None else repr(error.code)})"
    if isinstance(error, SyntaxError):
        return f"syntax error in {Path(error.filename or '?').name} line {error.lineno}: {error.msg}"
    text = " ".join(str(error).split())
    return f"{type(error).__name__}: {text}" if text else type(error).__name__


def _implementations(plugin: object) -> dict[str, Callable[[], object]]:
    """Return the plugin's hooks, by name, materialising what generators yield.

    Raises:
        Refused: When it was written for another hook API, has a hook that does not exist or takes arguments, or has
            none at all. pluggy itself accepts a misspelt hook and never calls it.
    """
    where = getattr(plugin, "__name__", type(plugin).__name__)
    _check_api(plugin, where)
    manager = pluggy.PluginManager(hookspecs.PROJECT)
    manager.add_hookspecs(hookspecs)
    try:
        manager.register(plugin)
    except pluggy.PluginValidationError as error:
        raise Refused(["; ".join(str(error).strip().splitlines()[1:])]) from error
    faults = []
    hooks: dict[str, Callable[[], object]] = {}
    for caller in manager.get_hookcallers(plugin) or ():
        (implementation,) = caller.get_hookimpls()
        if caller.has_spec():
            hooks[caller.name] = partial(_materialised, implementation.function)
        elif not implementation.optionalhook:
            hint = did_you_mean(caller.name, HOOKS)
            faults.append(f"there is no hook {caller.name!r}" + (f" ({hint})" if hint else ""))
        if implementation.wrapper or implementation.hookwrapper:
            faults.append(f"{caller.name} is a wrapper: each plugin is called by itself, so there is nothing to wrap")
    for name, value in vars(plugin).items() if isinstance(plugin, ModuleType) else ():
        if name in HOOKS and name not in hooks and isfunction(value):
            faults.append(f"{name} is not marked @hookimpl")
    if not hooks and not faults:
        faults.append(f"{where} has no hooks: it offers nothing")
    if faults:
        raise Refused(faults)
    return hooks


def _check_api(plugin: object, where: str) -> None:
    written_for = getattr(plugin, "HOOK_API", None)
    if not isinstance(written_for, int):
        raise Refused([f"it does not say which hook API it was written for: write `HOOK_API = {HOOK_API}` in {where}"])
    if written_for != HOOK_API:
        older = "upgrade the plugin" if written_for < HOOK_API else "upgrade graft-core"
        raise Refused([f"it was written for hook API {written_for}, and this Graft has {HOOK_API}: {older}"])


def _materialised(function: Callable[[], object]) -> object:
    returned = function()
    return list(returned) if isinstance(returned, Iterator) else returned


def _traced(plugin: str, doing: str, call: Callable[[], object]) -> object:
    """Call it; with `GRAFT_TRACE_PLUGINS=1` say on stderr what was called, what it gave and how long it took."""
    if os.environ.get("GRAFT_TRACE_PLUGINS") != "1":
        return call()
    start, outcome = time.perf_counter(), "raised"
    try:
        result = call()
        outcome = ", ".join(str(getattr(item, "name", item)) for item in result) if isinstance(result, list) else "done"
        return result
    finally:
        milliseconds = (time.perf_counter() - start) * 1000
        print(f"plugin {plugin}: {doing} -> {outcome} ({milliseconds:.1f} ms)", file=sys.stderr)
