"""`plugins.toml`: which plugins are on, what they are set to, and which single files are plugins too."""

from __future__ import annotations

import os
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any

from graft.errors import PluginError, Problem, did_you_mean

FILE = "plugins.toml"
BUNDLED = Path(__file__).with_name(FILE)
"""What holds where no file is found, and for the keys that the found one leaves out."""


@dataclass(frozen=True, kw_only=True)
class Local:
    """A single-file plugin.

    Args:
        path: The file; relative to the folder of the `plugins.toml` that names it.
        name: The plugin's name; by default the file's, without `.py`.
    """

    path: str
    name: str | None = None

    @property
    def called(self) -> str:
        """The plugin's name."""
        return self.name or Path(self.path).stem


@dataclass(frozen=True, kw_only=True)
class Manifest:
    """The content of a `plugins.toml`.

    Args:
        enable: When given, only these installed plugins are on.
        disable: These installed plugins are off.
        plugins: Settings, by plugin.
        local: Single-file plugins. They are always on: whoever names a file here wants it.
        requires: Versions of distributions that must be there, as in `{"graft-x": ">=0.2"}`.
    """

    enable: Sequence[str] | None = None
    disable: Sequence[str] = ()
    plugins: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    local: Sequence[Local] = ()
    requires: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Choice:
    """Which plugins are on, from all that has a say.

    Args:
        only: When given, the plugins that are on; `why` says who says so.
        off: Plugins that are off, and who says so.
        settings: By plugin.
        local: Single-file plugins, by their name.
        why: Who gave `only`.
        file: The `plugins.toml` that was found.
        requires: Versions of distributions that must be there.
    """

    only: Sequence[str] | None = None
    off: Mapping[str, str] = field(default_factory=dict)
    settings: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    local: Mapping[str, Path] = field(default_factory=dict)
    why: str = ""
    file: Path | None = None
    requires: Mapping[str, str] = field(default_factory=dict)

    def refuses(self, name: str) -> str | None:
        """Return why plugin `name` is off, or None when it is on."""
        if self.only is not None:
            return None if name in self.only else f"not in {self.why}"
        return self.off.get(name)

    def admits(self, name: str) -> str:
        """Return why plugin `name` is on, where nothing refuses it."""
        if name in self.local:
            return f"[[local]] of {self.file}"
        return f"installed, and in {self.why}" if self.only is not None else "installed"

    def named(self) -> set[str]:
        """Return every plugin that someone named."""
        return {*(self.only or ()), *self.off, *self.settings}


_NOTHING = Manifest()


def find_manifest(start: Path) -> Path | None:
    """Return the nearest `plugins.toml` from the folder `start` upward."""
    start = start.resolve()
    return next((folder / FILE for folder in (start, *start.parents) if (folder / FILE).is_file()), None)


def read_manifest(path: Path, *, under: Manifest = _NOTHING) -> Manifest:
    """Return the content of one `plugins.toml`; keys that it leaves out are as in `under`.

    Raises:
        PluginError: When it cannot be read, is not TOML, or has keys or types that do not fit; with all of them.
    """
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise PluginError(f"{path} cannot be read: {error}", fix=f"correct {path}") from error
    if problems := list(_problems(content)):
        raise PluginError(f"{path} is not valid", problems=problems, fix=f"correct {path}")
    if "local" in content:
        content["local"] = [Local(**entry) for entry in content["local"]]
    return replace(under, **content)


def choose(*, start: Path, names: Sequence[str] | None = None) -> Choice:
    """Return which plugins are on: `names` over `$GRAFT_PLUGINS` over the nearest file over the bundled one.

    Args:
        start: The folder from which `plugins.toml` is looked for upward.
        names: The only plugins that are on, whatever the files say. An empty sequence leaves core alone.

    Raises:
        PluginError: When `plugins.toml` is not valid.
    """
    file = find_manifest(start)
    manifest = read_manifest(BUNDLED)
    if file is not None:
        manifest = read_manifest(file, under=manifest)
    folder = file.parent if file is not None else start
    local = {entry.called: (folder / Path(entry.path).expanduser()).resolve() for entry in manifest.local}
    off = dict.fromkeys(manifest.disable, f"in `disable` of {file or BUNDLED}")
    only: Sequence[str] | None = None
    why = ""
    if names is not None:
        only, why = tuple(names), "the given names"
    elif (environment := os.environ.get("GRAFT_PLUGINS")) is not None:
        only, why = tuple(name.strip() for name in environment.split(",") if name.strip()), "GRAFT_PLUGINS"
    elif manifest.enable is not None:
        only, why = (*(set(manifest.enable) - set(off)), *local), f"`enable` of {file or BUNDLED}"
    return Choice(
        only=only,
        off=off,
        settings=manifest.plugins,
        local=local,
        why=why,
        file=file,
        requires=manifest.requires,
    )


# By hand and not by pydantic, whose import would be a third of the time that `graft --help` takes.
def _problems(content: Mapping[str, Any]) -> Iterator[Problem]:
    yield from _unknown_keys(content, Manifest, "")
    for key in ("enable", "disable"):
        if not _is_list_of(content.get(key, []), str):
            yield Problem(key, "must be a list of plugin names, as in ['one', 'two']")
    settings = content.get("plugins", {})
    if not isinstance(settings, dict):
        yield Problem("plugins", "must be a table with a table for each plugin: [plugins.NAME]")
    else:
        for name, own in settings.items():
            if not isinstance(own, dict):
                yield Problem(f"plugins.{name}", f"must be a table: [plugins.{name}]")
    requires = content.get("requires", {})
    if not isinstance(requires, dict) or not all(isinstance(wanted, str) for wanted in requires.values()):
        yield Problem("requires", 'must be a table of versions by distribution, as in {"graft-x" = ">=0.2"}')
    entries = content.get("local", [])
    if not _is_list_of(entries, dict):
        yield Problem("local", "must be a list of tables: [[local]]")
        return
    for index, entry in enumerate(entries):
        where = f"local.{index}"
        yield from _unknown_keys(entry, Local, f"{where}.")
        if not isinstance(entry.get("path"), str):
            yield Problem(f"{where}.path", "must be given, as text")
        if not isinstance(entry.get("name", ""), str):
            yield Problem(f"{where}.name", "must be text")
    names = [str(entry.get("name") or Path(str(entry.get("path"))).stem) for entry in entries]
    for name in sorted({name for name in names if names.count(name) > 1}):
        yield Problem("local", f"two files are called {name!r}", "give one of them another `name`")


def _unknown_keys(table: Mapping[str, Any], model: type[Manifest | Local], prefix: str) -> Iterator[Problem]:
    known = [one.name for one in fields(model)]
    for key in table:
        if key not in known:
            yield Problem(f"{prefix}{key}", "unknown key", did_you_mean(key, known))


def _is_list_of(value: object, kind: type) -> bool:
    return isinstance(value, list) and all(isinstance(item, kind) for item in value)
