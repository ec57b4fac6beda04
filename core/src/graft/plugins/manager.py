"""Loads every plugin that is on, each by itself, beside core. Built by a function and passed on: nothing is global."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from graft.errors import did_you_mean
from graft.plugins import discovery
from graft.plugins.descriptors import TaskSpec
from graft.plugins.discovery import CORE, Candidate
from graft.plugins.loading import BrokenPlugin, LoadedPlugin, Refused, broken, load
from graft.plugins.manifest import Choice, choose
from graft.plugins.registry import DisabledPlugin, Plugins, command_of
from graft.plugins.requirements import check_versions


def load_plugins(*, start: Path | None = None, names: Sequence[str] | None = None) -> Plugins:
    """Return everything that core and the plugins that are on offer. A plugin that fails costs only itself.

    Args:
        start: The folder from which `plugins.toml` is looked for upward; by default the working folder.
        names: The only plugins to load beside core, whatever `plugins.toml` and `GRAFT_PLUGINS` say.

    Raises:
        PluginError: When `plugins.toml` is not valid, or requires what is not installed.
    """
    choice = choose(start=start or Path.cwd(), names=names)
    if choice.requires:
        check_versions(choice.requires, source=str(choice.file))
    candidates = [*discovery.installed(), *discovery.local(choice.local)]
    core = _core()
    usable = [core]
    faulty: list[BrokenPlugin] = []
    off: list[DisabledPlugin] = []
    names_taken = {CORE}
    for candidate in candidates:
        if why := choice.refuses(candidate.name):
            off.append(DisabledPlugin(name=candidate.name, version=candidate.version, why=why))
            continue
        if candidate.name in names_taken:
            result: LoadedPlugin | BrokenPlugin = broken(candidate, Refused([f"the name {candidate.name!r} is taken"]))
        else:
            result = load(candidate)
        if isinstance(result, LoadedPlugin) and (conflicts := list(_conflicts(core, result))):
            result = broken(result.info, Refused(conflicts))
        names_taken.add(candidate.name)
        if isinstance(result, LoadedPlugin):
            usable.append(replace(result, info=replace(result.info, why=choice.admits(candidate.name))))
        else:
            faulty.append(result)
    return Plugins(
        usable,
        broken=sorted(faulty, key=lambda plugin: plugin.name),
        off=off,
        settings=choice.settings,
        notices=_notices(choice, candidates),
        manifest=choice.file,
        requires=choice.requires,
    )


def core_plugins() -> Plugins:
    """Return core's own offers alone, whatever is installed and whatever `plugins.toml` says."""
    return Plugins([_core()])


def _core() -> LoadedPlugin:
    loaded = load(discovery.core())
    if isinstance(loaded, BrokenPlugin):
        raise RuntimeError(f"core's own hooks are broken: {loaded.trace}")
    return replace(loaded, info=replace(loaded.info, why="part of Graft"))


def _conflicts(core: LoadedPlugin, plugin: LoadedPlugin) -> Iterator[str]:
    """Yield what a plugin offers under a name that is core's own, or that it gives to two commands of its own."""
    own = {(spec.kind, spec.name) for spec in core.contributions}
    own_commands = {command_of(spec) for spec in core.contributions}
    words: set[str] = set()
    for spec in plugin.contributions:
        if (spec.kind, spec.name) in own:
            yield f"it offers the {spec.kind} {spec.name!r}, which is core's own: it must use another name"
        if isinstance(spec, TaskSpec) and spec.verb in own_commands:
            yield f"the verb {spec.verb!r} of its task {spec.name!r} is a command of core's: it must use another verb"
        if (word := command_of(spec)) is not None:
            if word in words:
                yield f"two of its tasks and commands are both called `graft {word}`"
            words.add(word)


def _notices(choice: Choice, candidates: Sequence[Candidate]) -> list[str]:
    """Return a line for each plugin that is named and does not exist."""
    known = {CORE, *(candidate.name for candidate in candidates)}
    shared: dict[str, list[str]] = {}
    for candidate in candidates:
        if candidate.shared:
            shared.setdefault(candidate.shared, []).append(candidate.name)
    notices = []
    for name in sorted(choice.named() - known):
        who = choice.why if choice.only is not None and name in choice.only else str(choice.file)
        if name in shared:
            notices.append(f"{who}: several distributions have a plugin {name!r}: write {' or '.join(shared[name])}")
        else:
            hint = did_you_mean(name, known)
            notices.append(f"{who}: there is no plugin {name!r}" + (f" ({hint})" if hint else ""))
    return notices
