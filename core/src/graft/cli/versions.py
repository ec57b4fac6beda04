"""The versions that matter, from metadata alone: nothing heavy is imported."""

from __future__ import annotations

import platform
from importlib.metadata import PackageNotFoundError, version


def installed_version(distribution: str) -> str | None:
    """Return the version of an installed distribution, or None when it is not installed or does not say."""
    try:
        return version(distribution)
    except (PackageNotFoundError, KeyError, TypeError):
        return None


def one_line() -> str:
    """Return Graft's, Python's and torch's versions and the platform, in one line."""
    parts = [
        f"graft {installed_version('graft-core') or 'from source'}",
        f"Python {platform.python_version()}",
        f"torch {installed_version('torch') or 'missing'}",
        f"{platform.system()} {platform.machine()}",
    ]
    return " · ".join(parts)
