"""A table with an image and its mask in each row."""

from __future__ import annotations

import csv
from pathlib import Path

from pydantic import BaseModel

from graft.data.reader import Reader
from graft.data.readers import SPLIT_WORDS, require_path
from graft.data.samples import Catalogue, Sample
from graft.errors import DataError, Problem, did_you_mean
from graft_segmentation.masks import MaskFile
from graft_segmentation.options import PairsOptions
from graft_segmentation.readers.coding import coding_of

_TABLES = (".csv", ".tsv")


class PairsReader(Reader):
    """Reads a table in UTF-8 with a header; paths are relative to it."""

    def detect(self, path: Path) -> str | None:
        """Return why this is such a table."""
        if path.suffix.lower() not in _TABLES or not path.is_file():
            return None
        options = PairsOptions()
        header = _rows(path)[0]
        return "a table with the columns image and mask" if {options.image, options.mask} <= set(header) else None

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
        header, *rows = _rows(path)
        problems = [
            Problem(path.name, f"has no column '{name}'", did_you_mean(name, header) or f"data.reader.{key}=COLUMN")
            for key, name in (("image", options.image), ("mask", options.mask))
            if name not in header
        ]
        if problems:
            raise DataError(f"{path} cannot be used", problems=problems, fix="name the columns, or rename them")
        found: list[tuple[str, Path, Path, str | None, str | None, str]] = []
        seen: dict[str, int] = {}
        for line, cells in enumerate(rows, 2):
            where = f"{path.name} line {line}"
            if not any(cells):
                continue
            if len(cells) != len(header):
                problems.append(Problem(where, f"{len(cells)} cells, where the header has {len(header)} columns"))
                continue
            row = dict(zip(header, (cell.strip() for cell in cells), strict=True))
            image, mask = row[options.image], row[options.mask]
            word = row.get(options.split, "")
            split = SPLIT_WORDS.get(word.lower()) if word else None
            if word and split is None:
                problems.append(
                    Problem(where, f"'{word}' is no split", did_you_mean(word, SPLIT_WORDS) or "train, val or test")
                )
            if image in seen:
                problems.append(Problem(where, f"{image} is in line {seen[image]}, too"))
            seen[image] = line
            for name, value in (("image", image), ("mask", mask)):
                if not value:
                    problems.append(Problem(where, f"there is no {name}"))
                elif name == "mask" and not (path.parent / value).is_file():
                    problems.append(Problem(where, f"the mask {value} does not exist"))
            found.append((image, path.parent / image, path.parent / mask, split, row.get(options.group) or None, where))
        if problems or not found:
            problems = problems or [Problem(path.name, "has no rows")]
            raise DataError(f"{path} cannot be used", problems=problems, fix="correct these lines")
        coding, how = coding_of(options, [(mask, image) for _, image, mask, *_ in found], path.parent, self.decoder)
        samples = [
            Sample(
                id=name,
                path=image,
                target=MaskFile(mask, image, coding, self.decoder),
                split=split,
                group=group,
                where=where,
            )
            for name, image, mask, split, group, where in found
        ]
        return Catalogue(
            samples=tuple(sorted(samples, key=lambda sample: sample.id)),
            classes=tuple(coding.classes),
            reader="pairs",
            root=path.parent,
            notes=(how,),
        )


def _rows(path: Path) -> list[list[str]]:
    """Return the cells of a table, the header first.

    Raises:
        DataError: When it is no table in UTF-8.
    """
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            first = file.readline()
            separator = max(",;\t", key=first.count)
            file.seek(0)
            rows = list(csv.reader(file, delimiter=separator))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"{path} is no table in UTF-8: {error}", fix="save it as CSV in UTF-8") from error
    return [[name.strip() for name in rows[0]], *rows[1:]] if rows else [[]]
