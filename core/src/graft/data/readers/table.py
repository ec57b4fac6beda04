"""Tables whose rows say something of images: what the readers of tables have in common. Torch-free."""

from __future__ import annotations

import csv
import io
import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from graft.data.options import TableOptions
from graft.data.readers._files import (
    SPLIT_WORDS,
    as_text,
    exists,
    is_image,
)
from graft.data.samples import Sample
from graft.errors import DataError, PluginError, Problem, did_you_mean

TABLES = (".csv", ".tsv")
"""How the names of tables end."""

_DELIMITERS = ",;\t"


def is_table(path: Path) -> bool:
    """Return whether a file's name is that of a table."""
    return path.suffix.lower() in TABLES and path.is_file()


def lists_frames(path: Path) -> bool:
    """Return whether a table has a row per frame of a sequence: whether it has the columns `sequence` and `frame`."""
    try:
        _, header = next(Table(path, TableOptions()).rows(), (1, []))
    except (DataError, OSError):
        return False
    return {"sequence", "frame"} <= {name.strip() for name in header}


def listed_paths(path: Path) -> list[Path]:
    """Return the files in the column `path` of a table, relative ones from its folder; other columns do not matter.

    Raises:
        DataError: When it is no table in UTF-8, or has no such column.
    """
    table = Table(path, TableOptions())
    rows = table.rows()
    names = [name.strip() for name in next(rows, (1, [""]))[1]]
    if "path" not in names:
        raise DataError(f"{path} has the columns {', '.join(names)}", fix="call the column of the images path")
    files = []
    for line, row in rows:
        if len(row) == len(names):
            files.append(table.file(row[names.index("path")].strip()))
        else:
            table.note(line, f"{len(row)} cells, where the header has {len(names)} columns")
    if table.problems:
        raise DataError(f"{path} cannot be used", problems=table.problems, fix="correct these lines")
    return files


class Table:
    """A table and what is wrong with it. A reader's own has the reader's name, and says what a row is.

    Its columns are named by the options that `uses` lists; those of them that are `optional` need not be there.
    """

    reader: str
    uses: tuple[str, ...]
    optional: frozenset[str] = frozenset({"split", "group", "time"})

    def __init__(self, path: Path, options: TableOptions) -> None:
        self.path = path
        self.options = options
        self.root = path.parent / options.root if options.root else path.parent
        self.samples: list[Sample] = []
        self.missing: list[Problem] = []
        self.problems: list[Problem] = []
        self.first: dict[str, tuple[int, Any]] = {}
        self.listings: dict[Path, list[str]] = {}

    def read(self) -> list[Problem]:
        """Read all rows, and return what is wrong with them.

        Raises:
            DataError: When nothing can be read: no folder, no such columns, no rows.
        """
        self.read_rows()
        if not self.samples and not self.problems:
            raise DataError(f"{self.path} has a header and no rows", fix="list one image per row")
        return self.problems

    def checked(self, more: Iterable[Problem] = ()) -> tuple[Sample, ...]:
        """Return the samples by their ids.

        Files that do not exist are left to the check of the images, which stops or skips as the recipe says, unless
        there are other mistakes, or no file exists at all: then the column or the root is wrong.

        Args:
            more: What is wrong beside the rows.

        Raises:
            DataError: With everything that is wrong.
        """
        problems = [*self.problems, *more]
        every = len(self.missing) == len(self.samples)
        if problems or every:
            fix = self.wrong_root() if self.missing and every else None
            raise DataError(
                f"{self.path} cannot be used", problems=[*problems, *self.missing], fix=fix or "correct these lines"
            )
        return tuple(sorted(self.samples, key=lambda sample: sample.id))

    def read_rows(self) -> None:
        """Add every row.

        Raises:
            DataError: When there is no folder for the paths, or there are no such columns.
        """
        if not self.root.is_dir():
            raise DataError(
                f"data.reader.root: {self.root} is no folder",
                fix=f"it is relative to the table's folder, {self.path.parent}",
            )
        rows = self.rows()
        line, header = next(rows, (1, []))
        columns = self.columns(line, [name.strip() for name in header])
        for line, row in rows:
            if len(row) != len(header):
                self.note(line, f"{len(row)} cells, where the header has {len(header)} columns")
                continue
            self.add(line, {name: row[index].strip() for name, index in columns.items()})

    def rows(self) -> Iterator[tuple[int, list[str]]]:
        """Yield the lines that rows start in, and their cells; the header is the first.

        Raises:
            DataError: When it is empty, or no text in UTF-8.
        """
        data = self.path.read_bytes()
        try:
            text = data.decode("utf-8-sig")
        except UnicodeDecodeError as error:
            line = data.count(b"\n", 0, error.start) + 1
            raise DataError(
                f"{self.path.name} line {line}: not UTF-8 text",
                fix=f"save the table as UTF-8: iconv -f latin1 -t utf-8 {self.path} > {self.path.stem}-utf8.csv",
            ) from error
        if not text.strip():
            raise DataError(f"{self.path} is empty", fix="write a header (path,label) and one row per image")
        head = text.lstrip().split("\n", 1)[0]
        table = csv.reader(io.StringIO(text, newline=""), delimiter=max(_DELIMITERS, key=head.count), strict=True)
        start = 1
        try:
            for row in table:
                # A quoted cell may go over several lines: a row is where it starts.
                if any(cell.strip() for cell in row):
                    yield start, row
                start = table.line_num + 1
        except csv.Error as error:
            self.note(start, f"cannot be read as a row: {error}")

    def columns(self, line: int, header: list[str]) -> dict[str, int]:
        """Return the place of each column that is there, by what it is for."""
        kind = type(self.options)
        if strange := [repr(name) for name in self.uses if name not in kind.model_fields]:
            raise PluginError(
                f"{type(self).__name__}.uses lists {', '.join(strange)}: no option of {kind.__name__}",
                fix="list options, whose values are names of columns; add columns with fixed names in `columns`",
            )
        given = {name: getattr(self.options, name) for name in self.uses}
        problems = []
        for name in sorted({name for name in header if header.count(name) > 1 and name in given.values()}):
            problems.append(Problem(self.where(line), f"the column {name!r} is there twice"))
        for use, column in given.items():
            # A table need not have these, but one that was named must be there.
            optional = use in self.optional and column == use
            if column not in header and not optional:
                hint = did_you_mean(column, header)
                problems.append(Problem(self.where(line), f"no column {column!r} for data.reader.{use}", hint))
        if problems and any(map(is_image, header)):
            raise DataError(
                f"{self.path} line {line}: images where the names of the columns should be: {', '.join(header)}",
                fix="write a first line that names the columns, as in path,label",
            )
        if problems:
            raise DataError(
                f"{self.path} has the columns {', '.join(header)}",
                problems=problems,
                fix=f"name its columns: data.reader.kind={self.reader} "
                + " ".join(f"data.reader.{use}=COLUMN" for use in self.uses if use not in self.optional),
            )
        return {use: header.index(column) for use, column in given.items() if column in header}

    def add(self, line: int, cells: dict[str, str]) -> None:
        """Take a row's cells, by what they are for: an image with its target."""
        target = self.target(line, cells)
        split = self.split(line, cells["split"]) if "split" in cells else None
        if not cells["path"]:
            self.note(line, "no path")
            return
        path = self.file(cells["path"])
        name = as_text(Path(os.path.relpath(path, self.root)).as_posix())
        if name in self.first:
            first, before = self.first[name]
            self.note(line, *self.again(cells["path"], target, first, before))
            return
        self.first[name] = (line, target)
        if not exists(path):
            self.missing.append(Problem(self.where(line), f"no file {path}", self.similar(path)))
        self.samples.append(
            Sample(
                id=name,
                path=path,
                target=target,
                group=cells.get("group") or None,
                split=split,
                where=self.where(line),
                time=cells.get("time") or None,
            )
        )

    def target(self, line: int, cells: dict[str, str]) -> Any:
        """Return what a row says of its image, and note what is wrong with it."""
        raise NotImplementedError(f"{type(self).__name__} says nothing of images")

    def again(self, path: str, target: Any, first: int, before: Any) -> tuple[str, str | None]:
        """Return what is wrong with a row whose image is in line `first` already, and what to do."""
        return f"{path} is in line {first} already", None

    def split(self, line: int, cell: str) -> str | None:
        """Return the split that a cell names; None for an empty one."""
        if not cell:
            return None
        word = SPLIT_WORDS.get(cell.casefold())
        if word is None:
            hint = did_you_mean(cell.casefold(), SPLIT_WORDS) or "train, val or test"
            self.note(line, f"the split {cell!r} is none", hint)
        return word

    def file(self, cell: str) -> Path:
        """Return the file that a cell names."""
        path = self.root / cell
        if "\\" in cell and not exists(path):
            # Written on Windows.
            other = self.root / cell.replace("\\", "/")
            path = other if exists(other) else path
        # Two spellings of one file are one sample; links are not followed, so that ids stay as the table has them.
        return Path(os.path.normpath(path))

    def similar(self, path: Path) -> str | None:
        """Return what a file that does not exist may have been meant to be."""
        if path.parent not in self.listings:
            folder = path.parent
            self.listings[folder] = (
                [entry.name for entry in folder.iterdir()] if exists(folder) and folder.is_dir() else []
            )
        names = self.listings[path.parent]
        for name in names:
            if Path(name).stem == path.name and is_image(name):
                return f"did you mean '{name}'?"
        # Comparing with thousands of names, for each of thousands of rows, would take minutes.
        return did_you_mean(path.name, names) if len(self.missing) < 10 else None

    def wrong_root(self) -> str | None:
        """Return what to type when the files lie in a folder below, or None when they do not."""
        sample = self.samples[0]
        for folder in sorted(entry for entry in self.root.iterdir() if entry.is_dir()):
            if (folder / os.path.relpath(sample.path, self.root)).exists():
                root = Path(os.path.relpath(folder, self.path.parent)).as_posix()
                return f"the images are in {folder}: data.reader.kind={self.reader} data.reader.root={root}"
        return "data.reader.root=FOLDER names the folder that the paths are relative to"

    def where(self, line: int) -> str:
        """Return what a line is called in errors."""
        return f"{self.path.name} line {line}"

    def note(self, line: int, what: str, hint: str | None = None) -> None:
        """Take down what is wrong with a line."""
        self.problems.append(Problem(self.where(line), what, hint))
