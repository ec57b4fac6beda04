"""A distribution to begin with: from a template of its kind, or around a file that is a plugin already.

A template is a plugin called `example`, as files whose names end in `.txt`; a new one has its own name in its place.
"""

from __future__ import annotations

import ast
import datetime
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib import resources
from importlib.metadata import PackageNotFoundError, packages_distributions, version
from importlib.resources.abc import Traversable
from pathlib import Path

from packaging.version import Version

from graft.authoring.imports import CORE, distributions, imported, required
from graft.errors import PluginError, UserError
from graft.plugins import HOOKS, Contribution, Plugins, TaskSpec
from graft.plugins.discovery import local
from graft.plugins.loading import BrokenPlugin, load
from graft.plugins.registry import installing

LICENCES = ("Apache-2.0", "BSD-3-Clause", "MIT")
"""Those whose texts are at hand, by their SPDX names."""

_WIDTH = 120
"""Of a line, as the skeleton tells ruff."""
_NAME = re.compile(r"[a-z][a-z0-9]*(-[a-z0-9]+)*")


@dataclass(frozen=True, kw_only=True)
class Kind:
    """A kind of plugin that there is a template of.

    Args:
        summary: What the template offers, in a sentence.
        needs: The distributions that it needs beside graft-core.
    """

    summary: str
    needs: tuple[str, ...] = ()


KINDS: Mapping[str, Kind] = {
    "task": Kind(summary="A number for each image, for Graft.", needs=("numpy", "pillow", "pydantic", "torch")),
    "domain": Kind(
        summary="Images of several cameras, for Graft.", needs=("graft-classification", "numpy", "pillow", "pydantic")
    ),
    "backbone": Kind(summary="Networks of separable convolutions, for Graft.", needs=("torch",)),
    "head": Kind(summary="A cosine classifier for Graft.", needs=("graft-classification", "pydantic", "torch")),
    "reader": Kind(summary="JSON lines as labelled images, for Graft.", needs=("pydantic",)),
    "augmentation": Kind(summary="Noise as of a camera in the dark, for Graft.", needs=("numpy", "pydantic")),
    "metric": Kind(summary="Top-2 accuracy for Graft.", needs=("graft-classification", "numpy")),
    "strategy": Kind(summary="A strategy preset for Graft."),
    "command": Kind(summary="A command that counts images, for Graft.", needs=("typer",)),
}


def new(name: str, kind: str, *, out: Path, licence: str, plugins: Plugins) -> Path:
    """Write a distribution that offers something of a kind, which works as it is, and return its folder.

    Args:
        name: The plugin's name; `leaf-rust` becomes the distribution graft-leaf-rust and the package graft_leaf_rust.
        kind: One of `KINDS`.
        out: The folder that it is written into, as a folder of its own.
        licence: One of `LICENCES`.
        plugins: What there is already, whose names it cannot have.

    Raises:
        UserError: When the name or the kind does not fit, or the folder is there.
    """
    if kind not in KINDS:
        raise UserError(f"there is no template of a {kind}", fix=f"--kind {'|'.join(KINDS)}")
    name = _checked(name, plugins)
    if name in plugins.specs(next(spec for spec in HOOKS.values() if spec.kind == kind)):
        raise UserError(f"there is a {kind} called '{name}' already", fix="take another name")
    module = f"graft_{name.replace('-', '_')}"
    files = {_own_place(file.name, module): file.read_text(encoding="utf-8") for file in _template(kind)}
    files.setdefault(f"src/{module}/__init__.py", f'"""{KINDS[kind].summary}"""\n')
    files |= _skeleton(
        summary=KINDS[kind].summary,
        licence=licence,
        needs=KINDS[kind].needs,
        entry=f'{name} = "{module}.plugin"',
        wheel=f'packages = ["src/{module}"]',
        typed=True,
    )
    return _write({path: _renamed(text, name) for path, text in files.items()}, out / f"graft-{name}")


def package(file: Path, *, out: Path, licence: str, plugins: Plugins) -> Path:
    """Write a distribution around a plugin of one file, whose code stays as it is, and return its folder.

    Args:
        file: The plugin.
        out: The folder that the distribution is written into, as a folder of its own.
        licence: One of `LICENCES`.
        plugins: The others.

    Raises:
        UserError: When it is no plugin, its name does not fit, or the folder is there.
    """
    if not file.is_file():
        raise UserError(f"there is no file {file}", fix="name the plugin's .py file")
    loaded = load(local({file.stem: file.absolute()})[0])
    if isinstance(loaded, BrokenPlugin):
        raise PluginError(f"{file} is no plugin that works: {loaded.cause}", fix="mend it; graft doctor has more")
    name = _checked(file.stem.replace("_", "-"), plugins, own=str(file.absolute()))
    source = file.read_text(encoding="utf-8")
    summary = (ast.get_docstring(ast.parse(source)) or f"The plugin {name} for Graft.").splitlines()[0]
    needs = {*_imported(source), *_serving(loaded.contributions, plugins)} - {CORE}
    files = _skeleton(
        summary=summary.replace('"', "'"),
        licence=licence,
        needs=sorted(needs),
        entry=f'{name} = "{file.stem}"',
        wheel=f'only-include = ["src/{file.stem}.py"]\nsources = ["src"]',
        typed=False,
    )
    files = {path: _renamed(text, name) for path, text in files.items()}
    files |= {f"src/{file.stem}.py": source, "tests/test_contract.py": _tests(name, loaded.contributions)}
    return _write(files, out / f"graft-{name}")


def _checked(name: str, plugins: Plugins, *, own: str | None = None) -> str:
    """Return a name without `graft-`.

    Raises:
        UserError: When it is no name, or another plugin's, or that of a command.
    """
    name = name.removeprefix("graft-")
    if not _NAME.fullmatch(name):
        near = re.sub(r"[-_.\s]+", "-", name).strip("-").lower()  # as package indexes do (PEP 503)
        fix = f"write {near}" if _NAME.fullmatch(near) else "lower case letters, digits and -, as in leaf-rust"
        raise UserError(f"{name!r} is no name for a plugin", fix=fix)
    others = {one.name for one in plugins.loaded if one.source != own}
    others |= {one.name for one in plugins.broken} | {one.name for one in plugins.off}
    if name in others or name in plugins.commands():
        what = f"the name '{name}' is taken: see graft plugins list, graft --help"
        raise UserError(what, fix=f"take another one, as in my-{name}")
    if known := installing(name):
        raise UserError(f"graft-{name} is one of Graft's own", fix=f"{known}, or take another name, as in my-{name}")
    return name


def _skeleton(
    *, summary: str, licence: str, needs: Sequence[str], entry: str, wheel: str, typed: bool
) -> dict[str, str]:
    """Return what every distribution has, by its path."""
    if licence not in LICENCES:
        raise UserError(f"the text of the licence {licence!r} is not at hand", fix=f"--licence {'|'.join(LICENCES)}")
    places = {
        f"LICENSE.{licence}.txt": "LICENSE",
        "README.md.txt": "README.md",
        "pyproject.toml.txt": "pyproject.toml",
        "gitignore.txt": ".gitignore",
        "workflow.yml.txt": ".github/workflows/test.yml",
    }
    words = {
        "SUMMARY": summary,
        "LICENCE": licence,
        "DEPENDENCIES": "[" + ", ".join(f'"{_at_least(one)}"' for one in (CORE, *needs)) + "]",
        "ENTRY": entry,
        "WHEEL": wheel,
        "STRICT": str(typed).lower(),
        "YEAR": str(datetime.datetime.now(tz=datetime.UTC).year),
        "HOLDER": "the authors of graft-example",
    }
    files = {}
    for file in _template("skeleton"):
        if file.name in places:
            text = file.read_text(encoding="utf-8")
            for word, value in words.items():
                text = re.sub(rf"\b{word}\b", lambda _, value=value: value, text)  # type: ignore[misc]
            files[places[file.name]] = text
    return files


def _template(kind: str) -> Iterator[Traversable]:
    for file in resources.files(__package__).joinpath("templates", kind).iterdir():
        if file.name.endswith(".txt"):
            yield file


def _own_place(file: str, module: str) -> str:
    file = file.removesuffix(".txt")
    return f"tests/{file}" if file.startswith("test_") else f"src/{module}/{file}"


def _renamed(text: str, name: str) -> str:
    """Return a template's text with the plugin's own name in all its spellings."""
    word = name.replace("-", "_")
    title = "".join(part.capitalize() for part in name.split("-"))
    for old, new in (
        ("graft-example", f"graft-{name}"),
        ("graft_example", f"graft_{word}"),
        ("example_", f"{word}_"),
        ("Example", title),
        ("example", name),
    ):
        text = text.replace(old, new)
    return text


def _at_least(distribution: str) -> str:
    """Return a dependency in the versions that Graft itself asks for, else from the one that is installed on."""
    if own := required(CORE).get(distribution):
        return f"{own.name}{own.specifier}"
    try:
        release = Version(version(distribution)).release
    except PackageNotFoundError:
        return distribution
    return f"{distribution}>={'.'.join(map(str, release[:2]))}"


def _imported(source: str) -> Iterator[str]:
    """Yield the distributions whose modules a source imports."""
    homes = packages_distributions()
    for module, _ in imported(source):
        yield from distributions(module, homes)[:1]


def _serving(contributions: Sequence[Contribution], plugins: Plugins) -> Iterator[str]:
    """Yield the distributions of the tasks that something is for."""
    for spec in contributions:
        for task in getattr(spec, "tasks", ()):
            if (known := plugins.specs(TaskSpec).get(task)) and (home := plugins.owner(known).distribution):
                yield home


def _tests(name: str, contributions: Sequence[Contribution]) -> str:
    """Return tests by the kit for everything that a plugin offers."""
    checked = [(spec.kind.capitalize(), spec.name) for spec in contributions]
    kinds = sorted({f"{kind}Conformance" for kind, _ in checked} | {"PluginConformance"})
    classes = [("Plugin", "Plugin", name)]
    for kind, own in checked:
        title = "".join(part.capitalize() for part in re.split(r"[^A-Za-z0-9]+", own))
        classes.append((kind, f"{kind}{title}", own))
    lines = ['"""The contract, by Graft\'s own kit: docs/plugin-authors/testing.md says what each class takes."""', ""]
    lines.append(_import_of(kinds))
    for kind, title, own in classes:
        lines += ["", "", f"class Test{title}({kind}Conformance):", f'    name = "{own}"']
    return "\n".join(lines) + "\n"


def _import_of(names: Sequence[str]) -> str:
    line = f"from graft.testing import {', '.join(names)}"
    if len(line) <= _WIDTH:
        return line
    return "\n".join(["from graft.testing import (", *(f"    {name}," for name in names), ")"])


def _write(files: Mapping[str, str], folder: Path) -> Path:
    if folder.exists():
        raise UserError(f"{folder} is there already", fix="choose another name, or another --out")
    for path, text in sorted(files.items()):
        file = folder / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8")
    return folder
