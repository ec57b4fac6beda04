"""What could be a plugin: installed entry points of the group `graft`, and single files that `plugins.toml` names.

Only metadata is read here; no plugin is imported.
"""

from __future__ import annotations

import importlib.util
import sys
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from importlib.metadata import Distribution, EntryPoint, PackageNotFoundError, distribution, entry_points
from pathlib import Path
from types import ModuleType

GROUP = "graft"
CORE = "core"


@dataclass(frozen=True, kw_only=True)
class Candidate:
    """A plugin that has not been imported.

    Args:
        name: Unique among the candidates.
        source: Where its hooks are: a module or a file.
        load: Imports it and returns the object that has its hooks.
        version: None when the distribution does not say, and for single files.
        distribution: None for single files.
        licence: As the distribution's metadata has it.
        shared: The entry point's own name, when several distributions use it and `name` is the distribution's.
    """

    name: str
    source: str
    load: Callable[[], object]
    version: str | None = None
    distribution: str | None = None
    licence: str | None = None
    shared: str | None = None


def core() -> Candidate:
    """Return core itself, which offers things by the same hooks as everybody."""
    from graft.plugins import builtin

    point = EntryPoint(name=CORE, value=builtin.__name__, group=GROUP)
    try:
        fields = _metadata(distribution("graft-core"))
    except PackageNotFoundError:  # run from a source tree that is not installed
        fields = {}
    return _candidate(point, fields)


def installed() -> list[Candidate]:
    """Return one candidate per installed entry point, sorted by name.

    A plugin has its entry point's name. Where several distributions chose the same one, each goes by the name of its
    distribution instead, so that neither hides the other.
    """
    points = list(entry_points(group=GROUP))
    uses = Counter(point.name for point in points)
    candidates = [_candidate(point, _metadata(point.dist), shared=uses[point.name] > 1) for point in points]
    return sorted(candidates, key=lambda candidate: candidate.name)


def local(files: Mapping[str, Path]) -> list[Candidate]:
    """Return one candidate per single-file plugin; `files` has their names."""
    return [Candidate(name=name, source=str(path), load=partial(_import_file, path)) for name, path in files.items()]


def _candidate(point: EntryPoint, fields: Mapping[str, str], *, shared: bool = False) -> Candidate:
    return Candidate(
        name=fields.get("Name", point.value) if shared else point.name,
        source=point.value,
        load=point.load,
        version=fields.get("Version"),
        distribution=fields.get("Name"),
        licence=_licence(fields),
        shared=point.name if shared else None,
    )


def _metadata(dist: Distribution | None) -> Mapping[str, str]:
    """Return the first value of each metadata field; empty when the metadata is missing or cannot be read."""
    try:
        message = dist.metadata if dist is not None else None
    except (OSError, UnicodeDecodeError):
        message = None
    if message is None:
        return {}
    fields: dict[str, str] = {}
    for key, value in message.items():  # type: ignore[attr-defined]
        fields.setdefault("License-Classifier" if value.startswith("License ::") else key, value)
    return fields


def _licence(fields: Mapping[str, str]) -> str | None:
    """Return the licence, the most exact statement first; some put the whole text into `License`."""
    text = fields.get("License-Expression") or fields.get("License", "").strip().partition("\n")[0]
    return text or fields.get("License-Classifier", "").rpartition(" :: ")[2] or None


def _import_file(path: Path) -> ModuleType:
    """Import a single file as the module that its name says, so that its targets can be `my_plugin:Thing`."""
    name = path.stem
    if not path.is_file():
        raise FileNotFoundError(f"there is no file {path}")
    if not name.isidentifier():
        raise ImportError(f"its file name is no module name: call it {name.replace('-', '_')}.py")
    known = sys.modules.get(name)
    if known is not None and getattr(known, "__file__", None) == str(path):
        return known
    if not _is_local(known) and (found := importlib.util.find_spec(name)) is not None and found.origin != str(path):
        raise ImportError(f"its file name hides the module {name!r}: call it something else")
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise ImportError(f"{path.name} is no Python file")
    module = importlib.util.module_from_spec(spec)
    module.__graft_local__ = True  # type: ignore[attr-defined]
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    except BaseException:
        del sys.modules[name]
        raise
    return module


def _is_local(module: ModuleType | None) -> bool:
    return getattr(module, "__graft_local__", False) is True
