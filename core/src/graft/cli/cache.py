"""`graft cache`: what is kept of features, how much room it takes, and how to get that back."""

from __future__ import annotations

import re
import time
from collections.abc import Sequence
from typing import Annotated, Any

import typer

from graft.cli.session import JsonFlag, emit, refine
from graft.cli.text import columns
from graft.errors import UserError
from graft.features import cache
from graft.features.cache import Space

app = typer.Typer(add_completion=False, no_args_is_help=True)

_SECONDS = {"d": 86400, "h": 3600, "m": 60}
_AGE = re.compile(r"(\d+)([dhm])")


@app.callback()
def group() -> None:
    """List what is kept of features, and delete it."""


@app.command("list")
def list_(as_json: JsonFlag = False) -> None:
    """List what is in the cache of features, the least recently used first: that is what goes when there is no room."""
    current = refine(json=as_json)
    spaces = cache.spaces()
    if current.json:
        emit({"folder": cache.root(), "bytes": _bytes(spaces), "spaces": [_document(space) for space in spaces]})
        return
    if spaces:
        rows = [("NAME", "SIZE", "SHARDS", "USED", "WHAT")]
        rows += [
            (space.path.name[:12], _size(space.bytes), str(space.shards), _day(space.used), _what(space))
            for space in spaces
        ]
        print(columns(rows))
    current.console.say("Cache", f"{_size(_bytes(spaces))} in {cache.root()}; graft cache clear empties it")


@app.command()
def clear(
    older_than: Annotated[
        str | None, typer.Option(help="Only what was not used for so long: 30d, 12h, 90m.", show_default=False)
    ] = None,
    as_json: JsonFlag = False,
) -> None:
    """Delete cached features; they are calculated again when they are needed. Runs that are going on go on."""
    current = refine(json=as_json)
    before = time.time() - _seconds(older_than) if older_than is not None else None
    found = len(cache.spaces())
    freed = cache.clear(lambda space: before is None or space.used < before)
    left = cache.spaces()
    if current.json:
        emit({"folder": cache.root(), "freed": freed, "cleared": found - len(left), "left": len(left)})
        return
    rest = f"; {len(left)} of {found} are left, {_size(_bytes(left))}" if left else ""
    current.console.say("Cleared", f"{_size(freed)} in {cache.root()}{rest}")


def _seconds(age: str) -> int:
    found = _AGE.fullmatch(age)
    if found is None:
        raise UserError(f"--older-than {age}: no length of time", fix="write it as in 30d, 12h or 90m")
    return int(found[1]) * _SECONDS[found[2]]


def _bytes(spaces: Sequence[Space]) -> int:
    return sum(space.bytes for space in spaces)


def _size(number: int) -> str:
    for unit, size in (("GB", 10**9), ("MB", 10**6), ("kB", 10**3)):
        if number >= size:
            return f"{number / size:.1f} {unit}"
    return f"{number} B"


def _day(seconds: float) -> str:
    return time.strftime("%Y-%m-%d %H:%M", time.localtime(seconds))


def _what(space: Space) -> str:
    """Return what a calculation is, in as much as its own description says."""
    words = [str(space.about[key]) for key in ("backbone", "gives", "device", "precision") if key in space.about]
    return ", ".join(words) or "unknown: it does not say"


def _document(space: Space) -> dict[str, Any]:
    return {
        "name": space.path.name,
        "bytes": space.bytes,
        "shards": space.shards,
        "used": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(space.used)),
        "about": space.about,
    }
