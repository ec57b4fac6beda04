"""Damaged annotations, and what is said of them: refused, or left out and counted. Never passed over in silence."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from graft.console import Console
from graft.data import read
from graft.data.decoder import STANDARD
from graft.data.prepare import prepare
from graft.data.store import PixelStore
from graft.errors import DataError
from graft.plugins import Plugins, ReaderSpec
from graft.preprocess import Preprocess
from graft.recipe.schema import Data
from graft.tasks import Task

GONE = object()
"""A value that takes the key out."""


@dataclass(frozen=True)
class Case:
    """One damaged data set.

    Args:
        name: What is wrong.
        reader: Which reader is asked.
        path: Of what it reads.
        files: The content of each file, beside the images.
        refused: What the error must say; empty where the data can be used.
        counted: What the notes or the warnings must say of data that can be used.
        options: Of the reader.
    """

    name: str
    reader: str
    path: str
    files: Mapping[str, bytes]
    refused: Sequence[str] = ()
    counted: str = ""
    options: Mapping[str, Any] | None = None

    def __str__(self) -> str:
        return f"{self.reader}: {self.name}"


def changed(document: Any, place: str, value: Any) -> Any:
    """Return a copy of a JSON document with another value at a place, as in `images.0.id`; `GONE` takes it out."""
    new = copy.deepcopy(document)
    *above, last = (int(key) if key.isdecimal() else key for key in place.split("."))
    inner = new
    for key in above:
        inner = inner[key]
    if value is GONE:
        del inner[last]
    elif isinstance(inner, list) and last == len(inner):
        inner.append(value)
    else:
        inner[last] = value
    return new


def assert_seen(case: Case, root: Path, *, takes: str, task: Callable[[Sequence[str]], Task], plugins: Plugins) -> None:
    """Assert that damaged data, written into a folder with images, ends in what the case says."""
    for name, content in case.files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(content)
    for spec in plugins.specs(ReaderSpec).values():
        with suppress(DataError):
            plugins.target(spec)(decoder=STANDARD).detect(root / case.path)
    spec = plugins.find(ReaderSpec, case.reader)
    options = plugins.options(spec)(**(case.options or {}))
    data, console = Data(train=str(root / case.path)), Console(quiet=True)
    try:
        catalogue = read(data, takes=takes, reader=spec, options=options, plugins=plugins)
        store = PixelStore(Preprocess(size=(32, 32)))
        prepare(catalogue, data, task=task(catalogue.classes), store=store, console=console)
    except DataError as error:
        text = "\n".join([error.message, *map(str, error.problems), error.fix or ""])
        assert case.refused, f"refused, and not counted: {text}"
        missing = [part for part in case.refused if part not in text]
        assert not missing, f"{missing} not said in: {text}"
    else:
        text = "\n".join([*catalogue.notes, *console.warnings])
        assert case.counted, f"accepted, with these notes: {text}"
        assert case.counted in text, f"{case.counted!r} not in the notes: {text}"
