"""`plugins.toml`: which plugins are on, what they are set to, and which single files are plugins too."""

from __future__ import annotations

import os
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

from pydantic import BaseModel, ConfigDict, ValidationError, model_validator

from graft.errors import PluginError, Problem, did_you_mean

FILE = "plugins.toml"
BUNDLED = Path(__file__).with_name(FILE)
"""What holds where no file is found, and for the keys that the found one leaves out."""


class Local(BaseModel):
    """A single-file plugin.

    Attributes:
        path: The file; relative to the folder of the `plugins.toml` that names it.
        name: The plugin's name; by default the file's, without `.py`.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    path: str
    name: str | None = None

    @property
    def called(self) -> str:
        """The plugin's name."""
        return self.name or Path(self.path).stem


class Manifest(BaseModel):
    """The content of a `plugins.toml`.

    Attributes:
        enable: When given, only these installed plugins are on.
        disable: These installed plugins are off.
        plugins: Settings, by plugin.
        local: Single-file plugins. They are always on: whoever names a file here wants it.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    enable: list[str] | None = None
    disable: list[str] = []
    plugins: dict[str, dict[str, Any]] = {}
    local: list[Local] = []

    @model_validator(mode="after")
    def _names_differ(self) -> Self:
        names = [entry.called for entry in self.local]
        if twice := sorted({name for name in names if names.count(name) > 1}):
            raise ValueError(f"two local plugins are called {twice[0]!r}: give one of them another `name`")
        return self


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
    """

    only: Sequence[str] | None = None
    off: Mapping[str, str] = field(default_factory=dict)
    settings: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    local: Mapping[str, Path] = field(default_factory=dict)
    why: str = ""
    file: Path | None = None

    def refuses(self, name: str) -> str | None:
        """Return why plugin `name` is off, or None when it is on."""
        if self.only is not None:
            return None if name in self.only else f"not in {self.why}"
        return self.off.get(name)

    def named(self) -> set[str]:
        """Return every plugin that someone named."""
        return {*(self.only or ()), *self.off, *self.settings}


def find_manifest(start: Path) -> Path | None:
    """Return the nearest `plugins.toml` from the folder `start` upward."""
    start = start.resolve()
    return next((folder / FILE for folder in (start, *start.parents) if (folder / FILE).is_file()), None)


def read_manifest(path: Path) -> Manifest:
    """Return the content of one `plugins.toml`.

    Raises:
        PluginError: When it cannot be read, is not TOML, or has keys or types that do not fit; with all of them.
    """
    try:
        return Manifest.model_validate(tomllib.loads(path.read_text(encoding="utf-8")))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise PluginError(f"{path} cannot be read: {error}", fix=f"correct {path}") from error
    except ValidationError as error:
        problems = [_problem(entry) for entry in error.errors(include_url=False)]
        raise PluginError(f"{path} is not a valid {FILE}", problems=problems, fix=f"correct {path}") from error


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
        manifest = manifest.model_copy(update=_given(read_manifest(file)))
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
    return Choice(only=only, off=off, settings=manifest.plugins, local=local, why=why, file=file)


def _given(manifest: Manifest) -> dict[str, Any]:
    return {key: getattr(manifest, key) for key in manifest.model_fields_set}


def _problem(entry: Any) -> Problem:
    where = ".".join(str(part) for part in entry["loc"])
    if entry["type"] == "extra_forbidden":
        known = Local.model_fields if entry["loc"][0] == "local" else Manifest.model_fields
        return Problem(where, "unknown key", did_you_mean(str(entry["loc"][-1]), known))
    return Problem(where, entry["msg"].removeprefix("Value error, "))
