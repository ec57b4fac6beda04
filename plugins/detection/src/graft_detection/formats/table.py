"""A table with a row per object: `path,label,xmin,ymin,xmax,ymax[,crowd,difficult,split,group,time]`. Torch-free."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from pydantic import BaseModel

from graft.data.reader import Reader
from graft.data.readers import as_text, exists, require_path, twin_notes
from graft.data.readers.table import Table, is_table
from graft.data.samples import Catalogue, Sample
from graft.errors import DataError, Problem
from graft_detection.formats.geometry import Collector, Tally
from graft_detection.options import BoxTableOptions
from graft_detection.sizes import image_size

EDGES = ("xmin", "ymin", "xmax", "ymax")


class BoxTableReader(Reader):
    """Reads a table in UTF-8 whose header names its columns; commas, semicolons or tabs are detected.

    Edges are in pixels from 0, right and bottom ones behind the last pixel. All rows of an image say the same split,
    group and time, or leave them to one of them.
    """

    def detect(self, path: Path) -> str | None:
        """Return why `path` is read as a table of boxes: its columns."""
        if not is_table(path):
            return None
        try:
            _, header = next(Table(path, BoxTableOptions()).rows(), (1, []))
        except (DataError, OSError):
            return None
        return "a table with the columns " + ", ".join(EDGES) if set(EDGES) <= {n.strip() for n in header} else None

    def read(self, path: Path, options: BaseModel) -> Catalogue:
        """Return the images with their objects.

        Raises:
            DataError: With every mistake in the table, by line.
        """
        if not isinstance(options, BoxTableOptions):
            raise TypeError(f"BoxTableOptions are needed, not {type(options).__name__}")
        require_path(path, "data")
        if not path.is_file():
            raise DataError(f"{path} is a folder, and the reader 'csv-boxes' needs a table")
        table = _BoxTable(path, options)
        table.read()
        samples = table.checked()
        classes = tuple(sorted({name for sample in samples for name in sample.target.labels}))
        return Catalogue(
            samples=samples,
            classes=classes,
            reader="csv-boxes",
            root=table.root,
            notes=(*table.tally.notes(), *twin_notes(classes)),
        )


class _BoxTable(Table):
    reader = "csv-boxes"
    uses = ("path", "label", *EDGES, "crowd", "difficult", "split", "group", "time")
    optional = frozenset({"crowd", "difficult", "split", "group", "time"})

    def __init__(self, path: Path, options: BoxTableOptions) -> None:
        super().__init__(path, options)
        self.tally = Tally()
        self.collectors: dict[str, Collector] = {}
        self.place: dict[str, int] = {}
        self.bare: dict[str, int] = {}

    def read(self) -> list[Problem]:
        super().read()
        self.samples = [replace(sample, target=self.collectors[sample.id].objects()) for sample in self.samples]
        for name, line in self.bare.items():
            if len(self.collectors[name].labels):
                self.note(line, f"{name} has no object here, and some in other lines")
        return self.problems

    def add(self, line: int, cells: dict[str, str]) -> None:
        if not cells["path"]:
            self.note(line, "no path")
            return
        path = self.file(cells["path"])
        name = as_text(path.relative_to(self.root).as_posix() if path.is_relative_to(self.root) else str(path))
        split = self.split(line, cells["split"]) if "split" in cells else None
        given = {"split": split, "group": cells.get("group") or None, "time": cells.get("time") or None}
        self.sample(line, name, path, given)
        said = [cells[edge] for edge in EDGES]
        if not any((*said, cells["label"])):
            if name in self.bare:
                self.note(line, f"{name} has no object in line {self.bare[name]} already")
            self.bare.setdefault(name, line)
            return
        self.object(line, cells, self.collectors[name])

    def sample(self, line: int, name: str, path: Path, given: dict[str, str | None]) -> None:
        """Add an image, or what one more row says of it."""
        if name not in self.place:
            if not exists(path):
                self.missing.append(Problem(self.where(line), f"no file {path}", self.similar(path)))
            self.place[name] = len(self.samples)
            self.collectors[name] = Collector(image_size(path), self.tally, self.problems)
            self.samples.append(Sample(id=name, path=path, target=None, where=self.where(line), **given))  # type: ignore[arg-type]
            return
        known = self.samples[self.place[name]]
        for key, value in given.items():
            before = getattr(known, key)
            if value is not None and before is not None and value != before:
                self.note(line, f"the {key} of {name} is {value!r} here and {before!r} in {known.where}")
        new = {key: value for key, value in given.items() if getattr(known, key) is None}
        self.samples[self.place[name]] = replace(known, **new)  # type: ignore[arg-type]

    def object(self, line: int, cells: dict[str, str], collector: Collector) -> None:
        if not cells["label"]:
            self.note(line, "a box without a label")
            return
        edges = []
        for edge in EDGES:
            try:
                if "_" in cells[edge]:
                    raise ValueError
                edges.append(float(cells[edge]))
            except ValueError:
                what = f"{cells[edge]!r} is no number" if cells[edge] else "is empty"
                self.note(line, f"{getattr(self.options, edge)}: {what}")
                return
        flags = {}
        for key in ("crowd", "difficult"):
            said = cells.get(key) or "0"
            if said not in ("0", "1"):
                self.note(line, f"{getattr(self.options, key)}: {said!r} is neither 0 nor 1")
                return
            flags[key] = said == "1"
        box = (edges[0], edges[1], edges[2], edges[3])
        collector.add(self.where(line), cells["label"], box, crowd=flags["crowd"], difficult=flags["difficult"])
