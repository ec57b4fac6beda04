"""`graft doctor`: whether this installation is sound, line by line, and what to do where it is not."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict
from typing import Annotated

import typer

from graft.cli import checkup
from graft.cli.checkup import Check
from graft.cli.plugins import describe
from graft.cli.session import JsonFlag, emit, refine
from graft.cli.text import indented
from graft.cli.versions import installed_version
from graft.errors import EXIT_FAILED, PluginError
from graft.plugins import Plugins

app = typer.Typer(add_completion=False)

_MARKS = {"ok": "✓", "warn": "!", "bad": "✗"}


@app.command()
def doctor(
    fast: Annotated[bool, typer.Option("--fast", help="Import nothing heavy: versions and plugins only.")] = False,
    strict: Annotated[bool, typer.Option("--strict", help="Exit with 1 when something is wrong.")] = False,
    as_json: JsonFlag = False,
) -> None:
    """Check this installation, and say how to mend it.

    ✓ is sound, ! works with a catch, ✗ will fail. Broken plugins are shown with the whole story.
    """
    current = refine(json=as_json)
    plugins = current.plugins_or_core
    checks = [*_machine(fast=fast), *_plugins(plugins)]
    try:
        current.plugins  # noqa: B018 - raises when plugins.toml is not valid
    except PluginError as error:
        checks.append(Check(name="plugins.toml", state="bad", value=str(error), fix=error.fix))
    wrong = [check for check in checks if check.state == "bad"]
    if current.json:
        emit(
            {
                "sound": not wrong,
                "checks": [asdict(check) for check in checks],
                "broken": [describe(plugins, plugin) for plugin in plugins.broken],
            }
        )
    else:
        _show(checks, plugins)
    if strict and wrong:
        raise typer.Exit(EXIT_FAILED)


def _machine(*, fast: bool) -> Iterator[Check]:
    yield Check(name="Graft", state="ok", value=installed_version("graft-core") or "from source")
    yield checkup.python()
    yield checkup.torch()
    yield checkup.torchvision()
    yield from checkup.known_bad()
    yield from checkup.albumentations()
    yield from checkup.opencv()
    if not fast:
        yield from checkup.devices()
    yield checkup.processors()
    yield from checkup.memory()
    yield from checkup.disk()
    yield checkup.network()


def _plugins(plugins: Plugins) -> Iterator[Check]:
    for plugin in plugins.loaded:
        value = f"{plugin} ({plugin.licence or 'licence not recorded'}) is on: {plugin.why}"
        yield Check(name="Plugin", state="ok", value=value)
    for disabled in plugins.off:
        yield Check(name="Plugin", state="ok", value=f"{disabled.name} is off, {disabled.why}")
    for distribution, specifier in plugins.requires.items():
        value = f"{plugins.manifest} requires {distribution}{specifier}: {installed_version(distribution)} is here"
        yield Check(name="Plugin", state="ok", value=value)
    for faulty in plugins.broken:
        fix = f"mend, upgrade or uninstall it, or write `disable = [{faulty.name!r}]` into plugins.toml"
        yield Check(name="Plugin", state="bad", value=f"{faulty} is broken: {faulty.cause}", fix=fix.replace("'", '"'))
    for clash in plugins.clashes():
        yield Check(name="Clash", state="warn", value=clash)
    for notice in plugins.notices:
        yield Check(name="Plugin", state="warn", value=notice)


def _show(checks: list[Check], plugins: Plugins) -> None:
    for check in checks:
        first, *more = check.value.splitlines()
        print(f"{_MARKS[check.state]} {check.name:<17} {first}")
        for line in [*more, *([f"Fix: {check.fix}"] if check.fix and not more else [])]:
            print(f"{'':<19} {line}")
    for plugin in plugins.broken:
        print(f"\nPlugin {plugin}, from {plugin.source}:\n{indented(plugin.trace)}")
    counts = {state: sum(check.state == state for check in checks) for state in _MARKS}
    print(f"\n{counts['ok']} sound, {counts['warn']} with a catch, {counts['bad']} that will fail.")
