"""`graft plugins new`, `package` and `check`: for whoever writes one."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from graft.cli.session import JsonFlag, emit, refine
from graft.errors import EXIT_FAILED, PluginError, did_you_mean
from graft.plugins import Descriptor, PluginInfo, Plugins

if TYPE_CHECKING:
    from graft.authoring.audit import Finding

OutOption = Annotated[Path, typer.Option(help="The folder that the distribution's folder is written into.")]
LicenceOption = Annotated[str, typer.Option(help="Apache-2.0, BSD-3-Clause or MIT.")]


def new(
    name: Annotated[str, typer.Argument(help="The plugin's name, as in leaf-rust.", show_default=False)],
    kind: Annotated[
        str,
        typer.Option(
            help="What it offers: task, domain, backbone, head, reader, augmentation, metric, strategy or command.",
            show_default=False,
        ),
    ],
    out: OutOption = Path(),
    licence: LicenceOption = "Apache-2.0",
) -> None:
    """Write a plugin to begin with: a distribution that works, with its tests, licence and CI."""
    from graft.authoring import distribution

    current = refine()
    _say(distribution.new(name, kind, out=out, licence=licence, plugins=current.plugins))


def package(
    file: Annotated[Path, typer.Argument(help="A plugin of one file.", show_default=False)],
    out: OutOption = Path(),
    licence: LicenceOption = "Apache-2.0",
) -> None:
    """Make a distribution of a plugin of one file, whose code stays as it is."""
    from graft.authoring import distribution

    current = refine()
    _say(distribution.package(file, out=out, licence=licence, plugins=current.plugins))


def check(
    name: Annotated[
        str | None, typer.Argument(help="As in `graft plugins list`; all but core's by default.", show_default=False)
    ] = None,
    as_json: JsonFlag = False,
) -> None:
    """Look whether plugins keep the contract: names, imports, licence, what they do when they are loaded."""
    current = refine(json=as_json)
    plugins = current.plugins
    checked = [_checked(one, plugins) for one in _chosen(name, plugins)]
    broken = [one for one in plugins.broken if name in (None, one.name)]
    if current.json:
        broken_ones = [{"name": one.name, "cause": one.cause} for one in broken]
        emit({"plugins": [_plain(one) for one in checked], "broken": broken_ones})
    else:
        for one in checked:
            _print(one)
        for other in broken:
            print(f"{other}\n  NO  loads: {other.cause}\n      graft doctor has the traceback")
    if broken or any(found for one in checked for found in one["findings"].values()):
        raise typer.Exit(EXIT_FAILED)


def _chosen(name: str | None, plugins: Plugins) -> list[PluginInfo]:
    if name is None:
        return list(plugins.loaded[1:])
    for disabled in plugins.off:
        if disabled.name == name:
            message = f"plugin {name!r} is off, {disabled.why}: it is not loaded, and cannot be looked at"
            raise PluginError(message, fix=f"GRAFT_PLUGINS={name} graft plugins check {name}")
    found = [one for one in plugins.loaded if one.name == name]
    known = [*(one.name for one in plugins.loaded), *(one.name for one in plugins.broken)]
    if name not in known:
        raise unknown(name, known)
    return found


def unknown(name: str, known: Collection[str]) -> PluginError:
    """Return the error that there is no such plugin."""
    hint = did_you_mean(name, known)
    message = f"there is no plugin {name!r}" + (f" ({hint})" if hint else "") + f"; there are {', '.join(known)}"
    return PluginError(message, fix="graft plugins list")


def _checked(plugin: PluginInfo, plugins: Plugins) -> dict[str, Any]:
    from graft.authoring.audit import CHECKS

    return {
        "plugin": plugin,
        "findings": {good: list(look(plugin, plugins)) for good, look in CHECKS.items()},
        "needs": dict(_needs(plugin, plugins)),
    }


def _needs(plugin: PluginInfo, plugins: Plugins) -> Iterator[tuple[str, str]]:
    """Yield what some of what it offers needs and is not installed, and what to type."""
    from graft.authoring.audit import importable

    for spec in plugins.contributions(plugin):
        if isinstance(spec, Descriptor):
            for module, install in spec.requires.items():
                if not importable(module):
                    yield f"{spec.kind} '{spec.name}' needs {module}", install


def _plain(one: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, list[Finding]] = one["findings"]
    return {
        "name": one["plugin"].name,
        "findings": [
            {"check": good, "what": each.what, "expected": each.expected, "at": each.at}
            for good, own in found.items()
            for each in own
        ],
        "needs": one["needs"],
    }


def _print(one: dict[str, Any]) -> None:
    print(one["plugin"])
    for good, found in one["findings"].items():
        print(f"  {'NO' if found else 'ok'}  {good}")
        for each in found:
            print(f"      {' '.join(each.what.split())}\n      expected  {each.expected}\n      mend      {each.at}")
    for what, install in one["needs"].items():
        print(f"  --  {what}, which is not installed: {install}")


def _say(folder: Path) -> None:
    print(f"{folder}\n\nNext:\n  pip install -e {folder} pytest\n  cd {folder} && pytest\n  graft plugins check")
