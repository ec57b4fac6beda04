"""What all commands of one invocation share: the plugins, the console, and how to answer."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any

import typer

from graft.console import Console
from graft.errors import PluginError
from graft.plugins import Plugins, core_plugins, load_plugins

JsonFlag = Annotated[bool, typer.Option("--json", help="Print one JSON document on stdout.")]
QuietFlag = Annotated[bool, typer.Option("--quiet", "-q", help="Say nothing but warnings; --json prints results.")]


class Session:
    """One invocation of `graft`.

    Args:
        json: Answer with one JSON document on stdout.
        quiet: Say nothing but warnings.
        debug: Show the traceback of every error.

    Attributes:
        began: When it was made, in seconds of `time.monotonic`: before torch is loaded, which takes its time.
    """

    def __init__(self, *, json: bool = False, quiet: bool = False, debug: bool = False) -> None:
        self.json = json
        self.debug = debug
        self.console = Console(quiet=quiet)
        self.began = time.monotonic()

    @cached_property
    def plugins(self) -> Plugins:
        """The plugins, loaded on first use; what is wrong with them is said then, once.

        Raises:
            PluginError: When `plugins.toml` is not valid.
        """
        plugins = load_plugins()
        for warning in plugins.warnings():
            self.console.warn(warning)
        return plugins

    @cached_property
    def plugins_or_core(self) -> Plugins:
        """The plugins; where `plugins.toml` is not valid core alone, so that `--help` and `doctor` can be used."""
        try:
            return self.plugins
        except PluginError:
            return core_plugins()


_current = Session()


def session() -> Session:
    """Return the current invocation's session."""
    return _current


def begin(new: Session) -> None:
    """Make `new` the current session."""
    global _current
    _current = new


def refine(*, json: bool = False, quiet: bool = False) -> Session:
    """Add the flags that stand behind a verb to those before it, and return the session."""
    current = session()
    current.json |= json
    current.console.quiet |= quiet
    return current


def emit(document: Mapping[str, Any]) -> None:
    """Print the one JSON document on stdout."""
    print(json.dumps(plain(document), indent=2, ensure_ascii=False, allow_nan=False))


def plain(value: Any) -> Any:
    """Return `value` as JSON can hold it: paths become text, and NaN and infinities, which JSON has not, None."""
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    if isinstance(value, float):
        return float(value) if math.isfinite(value) else None
    return str(value) if isinstance(value, Path) else value
