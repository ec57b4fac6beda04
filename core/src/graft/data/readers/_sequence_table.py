"""A table with one row per frame: `sequence,frame,label[,path,split,group,time]`. Torch-free."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from graft.data.frames import natural
from graft.data.options import SequenceOptions
from graft.data.readers._files import as_text
from graft.data.readers.labels import LabelTable
from graft.data.samples import Sample
from graft.errors import DataError, Problem


@dataclass(frozen=True)
class Frame:
    """A row: which frame it is, its file, and what the row says of its sequence."""

    line: int
    name: str
    path: Path
    cells: dict[str, str]


class SequenceTable(LabelTable):
    """A table whose rows are frames. Labels, split and group stand in one row of a sequence, or in each of them.

    Args:
        path: The table.
        options: Names its columns.
        labelled: Whether it must have a column of labels.
    """

    reader = "sequences"
    uses = ("sequence", "frame", "path", "label", "split", "group", "time")
    optional = frozenset({"path", "split", "group", "time"})

    def __init__(self, path: Path, options: SequenceOptions, *, labelled: bool = True) -> None:
        super().__init__(path, options)
        self.found: dict[str, dict[str, Frame]] = {}
        if not labelled:
            self.optional |= {"label"}

    def read(self) -> list[Problem]:
        """Read all rows, make sequences of them, and return what is wrong.

        Raises:
            DataError: When nothing can be read: no folder, no such columns, no rows.
        """
        frames = self.frames()
        if not frames and not self.problems:
            raise DataError(f"{self.path} has a header and no rows", fix="list one frame per row")
        for name, own in frames.items():
            self.add_sequence(name, own)
        return self.problems

    def frames(self) -> dict[str, list[Frame]]:
        """Return the frames of each sequence in their order, sequences as they come first.

        Raises:
            DataError: When nothing can be read.
        """
        self.read_rows()
        return {name: sorted(own.values(), key=lambda frame: natural(frame.name)) for name, own in self.found.items()}

    def add(self, line: int, cells: dict[str, str]) -> None:
        """Take a row's cells, by what they are for."""
        name = as_text(cells["sequence"])
        where = cells.get("path", cells["frame"])
        if not name or not cells["frame"] or not where:
            self.note(line, "no sequence" if not name else "no frame" if not cells["frame"] else "no path")
            return
        path = self.file(where)
        own = self.found.setdefault(name, {})
        if known := own.get(cells["frame"]):
            self.note(line, f"frame {cells['frame']} of {name} is in line {known.line} already")
            return
        if not path.exists():
            self.missing.append(Problem(self.where(line), f"no file {path}", self.similar(path)))
        own[cells["frame"]] = Frame(line, cells["frame"], path, cells)

    def add_sequence(self, name: str, frames: list[Frame]) -> None:
        """Make a sample of a sequence's frames."""
        line = min(frame.line for frame in frames)
        split = self.agreed(frames, "split")
        paths = tuple(frame.path for frame in frames)
        self.samples.append(
            Sample(
                id=name,
                path=paths[0],
                target=self.target(line, {"label": self.agreed(frames, "label")}),
                group=self.agreed(frames, "group") or None,
                split=self.split(line, split),
                where=self.where(line),
                frames=paths,
                # Of each frame the time may be another: a sequence is as old as its first one.
                time=frames[0].cells.get("time") or None,
            )
        )

    def agreed(self, frames: list[Frame], use: str) -> str:
        """Return what the rows of a sequence say; a row may leave it to the others, and must not contradict them."""
        first: Frame | None = None
        for frame in sorted(frames, key=lambda frame: frame.line):
            cell = frame.cells.get(use, "")
            if cell and first is None:
                first = frame
            elif cell and first is not None and cell != first.cells[use]:
                what = f"the {use} of {frame.cells['sequence']} is {cell!r} here and {first.cells[use]!r}"
                self.note(frame.line, f"{what} in line {first.line}")
                break
        return first.cells[use] if first is not None else ""
