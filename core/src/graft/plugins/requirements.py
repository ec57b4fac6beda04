"""Versions that a team's `plugins.toml` requires: the same models everywhere need the same code everywhere."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Mapping
from importlib.metadata import PackageNotFoundError, version

from graft.errors import PluginError, Problem


def check_versions(requires: Mapping[str, str], *, source: str) -> None:
    """Raise unless each distribution is installed in a version that fits.

    Args:
        requires: Version specifiers (PEP 440) by the distribution's name; an empty one takes any version.
        source: The file that says so.

    Raises:
        PluginError: With everything that does not fit, and what to type.
    """
    problems = list(_problems(requires))
    if problems:
        wanted = " ".join(shlex.quote(f"{name}{specifier}") for name, specifier in requires.items())
        raise PluginError(f"{source} requires what is not here", problems=problems, fix=f"pip install {wanted}")


def _problems(requires: Mapping[str, str]) -> Iterator[Problem]:
    from packaging.specifiers import InvalidSpecifier, SpecifierSet

    for name, specifier in requires.items():
        try:
            wanted = SpecifierSet(specifier)
        except InvalidSpecifier:
            yield Problem(f"requires.{name}", f"{specifier!r} is no version specifier", "as in '>=0.2,<0.3'")
            continue
        try:
            have = version(name)
        except PackageNotFoundError:
            yield Problem(f"requires.{name}", "is not installed")
            continue
        if not wanted.contains(have, prereleases=True):
            yield Problem(f"requires.{name}", f"{specifier} is required, and {have} is installed")
