"""`graft plugins`: what is installed, what it offers, and what is wrong with it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import groupby
from typing import Annotated, Any

import typer

from graft.cli import authoring
from graft.cli.session import JsonFlag, emit, refine
from graft.cli.text import columns, indented
from graft.errors import UserError, did_you_mean
from graft.plugins import (
    HOOKS,
    BrokenPlugin,
    Contribution,
    DisabledPlugin,
    DomainSpec,
    PluginInfo,
    Plugins,
    TaskSpec,
)

app = typer.Typer(add_completion=False, no_args_is_help=True)
for command in (authoring.new, authoring.package, authoring.check):
    app.command()(command)


@app.callback()
def group() -> None:
    """List plugins and what each of them offers; begin one, and look whether it is right."""


_KINDS = {spec.kind: spec for spec in HOOKS.values()}


@app.command("list")
def list_(
    kind: Annotated[
        str | None,
        typer.Option(help=f"All that plugins offer of a kind, by name: {', '.join(_KINDS)}.", show_default=False),
    ] = None,
    as_json: JsonFlag = False,
) -> None:
    """List every plugin that is installed: on, off or broken. Or, of one kind, everything that they offer."""
    current = refine(json=as_json)
    plugins = current.plugins
    if kind is not None:
        offers = _of_kind(plugins, kind)
        if current.json:
            emit({"kind": kind, "offers": offers})
        elif offers:
            cells = [[_cell(value) for value in one.values()] for one in offers]
            print(columns([[field.upper() for field in offers[0]], *cells]))
        else:
            print(f"No plugin offers a {kind}.")
        return
    described = [describe(plugins, plugin) for plugin in _all(plugins)]
    if current.json:
        emit({"manifest": plugins.manifest, "plugins": described, "clashes": list(plugins.clashes())})
        return
    rows = [("NAME", "VERSION", "STATE", "OFFERS")]
    rows += [(one["name"], one["version"] or "-", one["state"], _in_short(one)) for one in described]
    print(columns(rows))
    for clash in plugins.clashes():
        print(f"\n{clash}")
    if plugins.manifest:
        print(f"\nAs {plugins.manifest} says.")
    print("\nWhat there is of a kind, by name: graft plugins list --kind augmentation")


@app.command()
def info(
    name: Annotated[str, typer.Argument(help="As in `graft plugins list`.", show_default=False)],
    as_json: JsonFlag = False,
) -> None:
    """Show one plugin: where it comes from, its licence, and everything that it offers."""
    current = refine(json=as_json)
    plugins = current.plugins
    known = {plugin.name: plugin for plugin in _all(plugins)}
    if name not in known:
        raise authoring.unknown(name, known)
    one = describe(plugins, known[name])
    if current.json:
        emit(one)
        return
    print(f"{one['name']} {one['version'] or ''}".rstrip())
    facts = ("state", "why", "cause", "distribution", "licence", "source", "settings")
    print(columns([(fact, str(one[fact])) for fact in facts if one.get(fact)], indent="  "))
    for kind, offers in one.get("offers", {}).items():
        print(f"\n{kind}")
        print(columns(list(offers.items()), indent="  "))
    if one.get("trace"):
        print(f"\n{indented(one['trace'])}")


def describe(plugins: Plugins, plugin: PluginInfo | BrokenPlugin | DisabledPlugin) -> dict[str, Any]:
    """Return what is known of a plugin, as plain values for JSON; `state` is `on`, `off` or `broken`."""
    fields: dict[str, Any] = {"name": plugin.name, "version": plugin.version}
    if isinstance(plugin, DisabledPlugin):
        return fields | {"state": "off", "why": plugin.why}
    fields |= {"distribution": plugin.distribution, "source": plugin.source}
    if isinstance(plugin, BrokenPlugin):
        return fields | {"state": "broken", "cause": plugin.cause, "trace": plugin.trace}
    return fields | {
        "state": "on",
        "why": plugin.why,
        "licence": plugin.licence,
        "settings": dict(plugins.settings(plugin.name)),
        "offers": _offers(plugins, plugin),
    }


def _of_kind(plugins: Plugins, kind: str) -> list[dict[str, Any]]:
    """Return what is offered of a kind, by the names that recipes and commands use.

    Raises:
        UserError: When there is no such kind.
    """
    if kind not in _KINDS:
        hint = did_you_mean(kind, _KINDS)
        raise UserError(f"plugins offer no {kind!r}" + (f" ({hint})" if hint else ""), fix=f"--kind {'|'.join(_KINDS)}")
    return [
        {
            "name": name,
            "plugin": plugins.owner(spec).name,
            **({"tasks": spec.tasks} if hasattr(spec, "tasks") else {}),
            "summary": _summary(spec),
        }
        for name, spec in sorted(plugins.specs(_KINDS[kind]).items())
    ]


def _cell(value: str | tuple[str, ...]) -> str:
    return value if isinstance(value, str) else ", ".join(value) or "all"


def _all(plugins: Plugins) -> Iterator[PluginInfo | BrokenPlugin | DisabledPlugin]:
    yield from plugins.loaded
    yield from plugins.broken
    yield from plugins.off


def _offers(plugins: Plugins, plugin: PluginInfo) -> dict[str, dict[str, str]]:
    """Return summaries by kind and name."""
    contributions = sorted(plugins.contributions(plugin), key=lambda spec: spec.kind)
    return {
        kind: {spec.name: _summary(spec) for spec in specs}
        for kind, specs in groupby(contributions, key=lambda spec: spec.kind)
    }


def _summary(spec: Contribution) -> str:
    """Return what a contribution is in a line: of a task its verb, too, of a domain the backbones that suit it."""
    if isinstance(spec, TaskSpec):
        return f"{spec.summary} (graft {spec.verb})"
    if isinstance(spec, DomainSpec) and spec.backbones:
        suited = "; ".join(f"{arch}: {why}" for arch, why in spec.backbones.items())
        return f"{spec.summary} Backbones that suit it: {suited}."
    return spec.summary


def _in_short(one: Mapping[str, Any]) -> str:
    if one["state"] != "on":
        return str(one.get("cause") or one.get("why"))
    return ", ".join(f"{len(offers)} {_plural(kind, len(offers))}" for kind, offers in one["offers"].items())


def _plural(kind: str, number: int) -> str:
    if number == 1:
        return kind
    return kind.removesuffix("y") + "ies" if kind.endswith("y") else kind + "s"
