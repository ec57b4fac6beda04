"""A table with an image and its mask in each row."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from pydantic import BaseModel

from graft.data.reader import Reader
from graft.data.readers import is_file, require_path
from graft.data.readers.table import Table, is_table
from graft.data.samples import Catalogue
from graft.errors import DataError
from graft_segmentation.masks import MaskFile
from graft_segmentation.options import PairsOptions
from graft_segmentation.readers.coding import coding_of


class PairsReader(Reader):
    """Reads a table in UTF-8 with a header; paths are relative to it."""

    def detect(self, path: Path) -> str | None:
        """Return why this is such a table."""
        if not is_table(path):
            return None
        options = PairsOptions()
        try:
            _, header = next(Table(path, options).rows(), (1, []))
        except (DataError, OSError):
            return None
        named = {options.path, options.mask} <= {name.strip() for name in header}
        return f"a table with the columns {options.path} and {options.mask}" if named else None

    def read(self, path: Path, options: BaseModel) -> Catalogue:
        """Return a sample for each row.

        Raises:
            DataError: With every line that is wrong.
        """
        if not isinstance(options, PairsOptions):
            raise TypeError(f"PairsOptions are needed, not {type(options).__name__}")
        require_path(path, "data")
        if not path.is_file():
            raise DataError(f"{path} is a folder, and the reader 'pairs' needs a table", fix="data.train=TABLE.csv")
        table = _Pairs(path, options)
        table.read()
        found = table.checked()
        coding, how = coding_of(options, [(sample.target, sample.path) for sample in found], path.parent, self.decoder)
        return Catalogue(
            samples=tuple(
                replace(sample, target=MaskFile(sample.target, sample.path, coding, self.decoder)) for sample in found
            ),
            classes=tuple(coding.classes),
            reader="pairs",
            root=table.root,
            notes=(how,),
        )


class _Pairs(Table):
    reader = "pairs"
    uses = ("path", "mask", "split", "group", "time")

    def target(self, line: int, cells: dict[str, str]) -> Path:
        """Return the mask that a row names."""
        path = self.file(cells["mask"])
        if not cells["mask"]:
            self.note(line, "no mask")
        elif not is_file(path):
            self.note(line, f"the mask {cells['mask']} does not exist", self.similar(path))
        return path
