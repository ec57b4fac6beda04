"""A survey: `FIELD/plots.csv` with `photo,grade[,split,time]`, and the photographs beside it. Torch-free."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from pydantic import BaseModel

from graft.data import Catalogue, Reader, Sample
from graft.data.readers import as_text, is_hidden, require_path
from graft.data.readers.table import Table
from graft.errors import DataError, Problem
from graft_agriculture.options import SurveyOptions

_NAME = "plots.csv"


class SurveyReader(Reader):
    """Reads a survey. Targets are one grade each; the field is the group, so that no split divides it."""

    def detect(self, path: Path) -> str | None:
        """Return how many fields there are."""
        tables = _tables(path)
        return f"a survey of {len(tables)} fields, each with a {_NAME}" if tables else None

    def read(self, path: Path, options: BaseModel) -> Catalogue:
        """Return the photographs with their grades.

        Raises:
            DataError: With every mistake in all tables, by field and line.
        """
        if not isinstance(options, SurveyOptions):
            raise TypeError(f"SurveyOptions are needed, not {type(options).__name__}")
        require_path(path, "data")
        samples: list[Sample] = []
        problems: list[Problem] = []
        tables = _tables(path)
        if not tables:
            raise DataError(f"{path} has no folder with a {_NAME}", fix="make a folder for each field")
        for file in tables:
            field = as_text(file.parent.name)
            table = _Plots(file, options)
            try:
                table.read()
                found = table.checked()
            except DataError as error:
                problems += error.problems or [Problem(f"{field}/{_NAME}", error.message, error.fix)]
                continue
            samples += [replace(sample, id=f"{field}/{sample.id}", group=field) for sample in found]
        if problems:
            raise DataError(f"{path} cannot be used", problems=problems, fix="correct these lines")
        return Catalogue(
            samples=tuple(sorted(samples, key=lambda sample: sample.id)),
            classes=tuple(sorted({grade for sample in samples for grade in sample.target})),
            reader="survey",
            root=path,
        )


def _tables(path: Path) -> list[Path]:
    if not path.is_dir():
        return []
    return sorted(file for file in path.glob(f"*/{_NAME}") if file.is_file() and not is_hidden(file.parent.name))


class _Plots(Table):
    reader = "survey"
    uses = ("path", "grade", "split", "time")
    optional = frozenset({"split", "time"})

    def target(self, line: int, cells: dict[str, str]) -> tuple[str, ...]:
        if not cells["grade"]:
            self.note(line, "no grade")
        return (cells["grade"],)

    def where(self, line: int) -> str:
        return f"{self.path.parent.name}/{super().where(line)}"
