"""A table with one row per image: `path,label[,split,group,time]`. Torch-free."""

from __future__ import annotations

from pathlib import Path

from pydantic import BaseModel

from graft.data.options import CsvOptions
from graft.data.reader import Reader
from graft.data.readers._files import class_problems, classes_of, require_path, twin_notes
from graft.data.readers.table import Table, is_table, lists_frames
from graft.data.samples import Catalogue
from graft.errors import DataError

_NO_LABEL = frozenset({"", "nan"})


class CsvReader(Reader):
    """Reads a table in UTF-8 whose header names its columns; commas, semicolons or tabs are detected.

    Targets are tuples of class names, in the order of the cell.
    """

    def detect(self, path: Path) -> str | None:
        """Return why `path` is read as a table with a row per image: its name says so, and its columns nothing else."""
        if is_table(path) and not lists_frames(path):
            return f"a {path.suffix.lower()} table"
        return None

    def read(self, path: Path, options: BaseModel) -> Catalogue:
        """Return the images that the table lists.

        Raises:
            DataError: With every mistake in the table, by line.
        """
        if not isinstance(options, CsvOptions):
            raise TypeError(f"CsvOptions are needed, not {type(options).__name__}")
        require_path(path, "data")
        if not path.is_file():
            raise DataError(
                f"{path} is a folder, and the reader 'csv' needs a table", fix=f"data.train={path}/labels.csv"
            )
        table = LabelTable(path, options)
        table.read()
        samples = table.checked(class_problems(table.samples, path.name))
        classes = tuple(classes_of(samples))
        return Catalogue(samples=samples, classes=classes, reader="csv", root=table.root, notes=twin_notes(classes))


class LabelTable(Table):
    """A table with the classes of each image."""

    reader = "csv"
    uses: tuple[str, ...] = ("path", "label", "split", "group", "time")

    def __init__(self, path: Path, options: CsvOptions) -> None:
        super().__init__(path, options)
        self.options: CsvOptions = options

    def target(self, line: int, cells: dict[str, str]) -> tuple[str, ...]:
        """Return the labels in a row."""
        cell = cells["label"]
        parts = cell.split(self.options.separator) if self.options.separator else [cell]
        labels = tuple(dict.fromkeys(part.strip() for part in parts if part.strip().lower() not in _NO_LABEL))
        if not labels and not self.options.allow_empty:
            self.note(line, "no label", "data.reader.allow_empty=true when it shows none of the classes")
        return labels

    def again(self, path: str, target: tuple[str, ...], first: int, before: tuple[str, ...]) -> tuple[str, str | None]:
        """Return what is wrong with a row whose image has been there: perhaps it has another label."""
        if set(before) == set(target):
            return super().again(path, target, first, before)
        hint = f"several labels go into one cell: {self.options.separator.join((*before, *target))}"
        what = f"{path} is {_shown(target)} here and {_shown(before)} in line {first}"
        return what, hint if self.options.separator else None


def _shown(labels: tuple[str, ...]) -> str:
    return " and ".join(repr(label) for label in labels) or "nothing"
