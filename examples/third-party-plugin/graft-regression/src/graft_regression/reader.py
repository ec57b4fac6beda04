"""A table with a number for each image: `path,value[,split,group,time]`. Torch-free."""

from __future__ import annotations

import math
from pathlib import Path

from pydantic import BaseModel

from graft.data import Catalogue, Reader
from graft.data.options import TableOptions
from graft.data.readers import require_path
from graft.data.readers.table import Table, is_table
from graft.errors import DataError
from graft_regression.options import ValueOptions

_NAME = "values.csv"
"""The table that is looked for in a folder."""


class ValueReader(Reader):
    """Reads a table of numbers, or a folder with a `values.csv`.

    A sample's target is a float; the catalogue's one class is the column's name.
    """

    def detect(self, path: Path) -> str | None:
        """Return why `path` is read as such a table: its columns."""
        table = _table_of(path)
        if not is_table(table):
            return None
        try:
            _, header = next(Table(table, TableOptions()).rows(), (1, []))
        except (DataError, OSError):
            return None
        return (
            "a table with the columns path, value" if {"path", "value"} <= {name.strip() for name in header} else None
        )

    def read(self, path: Path, options: BaseModel) -> Catalogue:
        """Return the images with their numbers.

        Raises:
            DataError: With every mistake in the table, by line.
        """
        if not isinstance(options, ValueOptions):
            raise TypeError(f"ValueOptions are needed, not {type(options).__name__}")
        require_path(path, "data")
        file = _table_of(path)
        if not file.is_file():
            raise DataError(f"{path} is a folder without {_NAME}", fix=f"data.train={path}/TABLE.csv")
        table = _ValueTable(file, options)
        table.read()
        return Catalogue(samples=table.checked(), classes=(options.value,), reader="regression-table", root=table.root)


def _table_of(path: Path) -> Path:
    return path / _NAME if path.is_dir() else path


class _ValueTable(Table):
    reader = "regression-table"
    uses = ("path", "value", "split", "group", "time")

    def target(self, line: int, cells: dict[str, str]) -> float:
        try:
            value = float(cells["value"])
        except ValueError:
            value = math.nan
        if not math.isfinite(value):
            self.note(line, f"{cells['value']!r} is no number")
        return value
