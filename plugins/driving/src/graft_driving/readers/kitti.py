"""KITTI: boxes in `label_2`, and masks in `semantic`. Torch-free."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from pydantic import BaseModel

from graft.data.reader import Reader
from graft.data.readers import require_path
from graft.data.samples import Catalogue
from graft.errors import DataError, Problem, did_you_mean
from graft_driving.classes import CITYSCAPES, KITTI_IGNORED, KITTI_OBJECTS
from graft_driving.frames import Frame
from graft_driving.options import KittiBoxOptions, SceneOptions
from graft_driving.readers import boxes, scenes
from graft_driving.readers.boxes import Box

_PER_SECOND = 10.0
_VALUES = (15, 16)
_HARD_HIDDEN, _HARD_CUT, _HARD_HEIGHT = 2, 0.5, 25.0
"""The limits of KITTI's level "hard": occlusion, truncation, and height in pixels."""
_UNKNOWN = (
    "no drives are known, and KITTI's images are shuffled: neighbours of one drive may be on both sides of a split; "
    "put the development kit's folder 'mapping' beside 'training'"
)


class KittiBoxReader(Reader):
    """Reads `training/image_2` with `training/label_2`.

    Regions of `DontCare` count for no class. Drives and times come from the development kit's `mapping` folder, where
    it lies beside `training`. Corners are edges of pixels, counted from 0.
    """

    def detect(self, path: Path) -> str | None:
        """Return why this is such a folder."""
        home = _home(path, "label_2")
        return None if home is None else f"there are {home.name}/image_2/ and {home.name}/label_2/"

    def read(self, path: Path, options: BaseModel) -> Catalogue:
        """Return every annotated image with its objects.

        Raises:
            DataError: With every line that is wrong.
        """
        if not isinstance(options, KittiBoxOptions):
            raise TypeError(f"KittiBoxOptions are needed, not {type(options).__name__}")
        require_path(path, "data")
        home = _home(path, "label_2")
        if home is None:
            raise DataError(f"{path} is not as KITTI is", fix="name the folder with training/image_2 and label_2")
        drives = _drives(home)
        frames = [
            _frame(image, home / "label_2" / f"{image.stem}.txt", drives)
            for image in scenes.images_in(home / "image_2", self.decoder)
        ]
        scenes.refuse_missing(path, frames, "label")
        problems: list[Problem] = []
        found = [(frame, list(_boxes(frame.annotation, options, problems))) for frame in frames]
        return boxes.catalogue_of(
            path,
            found,
            known=KITTI_OBJECTS,
            wanted=options.classes,
            reader="kitti",
            problems=problems,
            notes=[] if drives else [_UNKNOWN],
        )


class KittiMaskReader(Reader):
    """Reads `training/image_2` with `training/semantic`, whose masks have Cityscapes' numbers."""

    def detect(self, path: Path) -> str | None:
        """Return why this is such a folder."""
        home = _home(path, "semantic")
        return None if home is None else f"there are {home.name}/image_2/ and {home.name}/semantic/"

    def read(self, path: Path, options: BaseModel) -> Catalogue:
        """Return every image with its mask.

        Raises:
            DataError: When folders are missing, and with each image without a mask.
        """
        if not isinstance(options, SceneOptions):
            raise TypeError(f"SceneOptions are needed, not {type(options).__name__}")
        require_path(path, "data")
        home = _home(path, "semantic")
        if home is None:
            raise DataError(f"{path} is not as KITTI is", fix="name the folder with training/image_2 and semantic")
        drives = _drives(home)
        coding = scenes.by_number(CITYSCAPES)
        frames = [
            (_frame(image, home / "semantic" / f"{image.stem}.png", drives), coding)
            for image in scenes.images_in(home / "image_2", self.decoder)
        ]
        return scenes.catalogue_of(
            path,
            frames,
            table=CITYSCAPES,
            options=options,
            reader="kitti-masks",
            decoder=self.decoder,
            notes=[] if drives else [_UNKNOWN],
        )


def _home(path: Path, annotations: str) -> Path | None:
    """Return the folder that has the images and these annotations: `training`, or itself."""
    places = (path / "training", path)
    return next((p for p in places if (p / "image_2").is_dir() and (p / annotations).is_dir()), None)


def _drives(home: Path) -> dict[int, tuple[str, float]]:
    """Return the drive and the second of each image, by its number, where the development kit's tables are there.

    Raises:
        DataError: When a table is not as KITTI's is, naming it.
    """
    table, order = (home.parent / "mapping" / name for name in ("train_mapping.txt", "train_rand.txt"))
    if not table.is_file():
        return {}
    file = table
    try:
        lines = [line.split() for line in table.read_text("utf-8").splitlines()]
        if short := [number for number, cells in enumerate(lines, 1) if len(cells) not in (0, 3)]:
            raise ValueError(f"line {short[0]} is no date, drive and frame")
        # Of an image whose drive is not known the line is empty.
        known = [(cells[1], int(cells[2]) / _PER_SECOND) if cells else None for cells in lines]
        places: Sequence[int] = range(1, len(known) + 1)
        if order.is_file():
            # Of boxes, image n is line `order[n]` of the table, counted from 1; of masks it is line n.
            file = order
            places = [int(cell) for cell in order.read_text("utf-8").replace(",", " ").split()]
        if not places:
            raise ValueError("it is empty")
        if lost := [place for place in places if not 0 < place <= len(known)]:
            raise ValueError(f"{table.name} has no line {lost[0]}")
    except (OSError, ValueError) as error:
        raise DataError(f"{file} is not as KITTI's is: {error}", fix="take it from the development kit anew") from error
    return {number: found for number, place in enumerate(places) if (found := known[place - 1])}


def _frame(image: Path, annotation: Path, drives: dict[int, tuple[str, float]]) -> Frame:
    number = image.stem.split("_")[0]
    drive, second = drives.get(int(number), (None, None)) if number.isdigit() else (None, None)
    return Frame(image=image, annotation=annotation, drive=drive, second=second)


def _boxes(file: Path, options: KittiBoxOptions, problems: list[Problem]) -> Iterator[Box]:
    for line, text in enumerate(file.read_text("utf-8", errors="replace").splitlines(), 1):
        cells = text.split()
        if not cells:
            continue
        where = f"{file.parent.name}/{file.name} line {line}"
        name = cells[0]
        if len(cells) not in _VALUES:
            problems.append(Problem(where, f"{len(cells)} values, where a line has 15"))
            continue
        if name not in (*KITTI_OBJECTS, KITTI_IGNORED):
            hint = did_you_mean(name, (*KITTI_OBJECTS, KITTI_IGNORED))
            problems.append(Problem(where, f"'{name}' is none of KITTI's classes", hint))
            continue
        try:
            cut, hidden, _, left, top, right, bottom = (float(cell) for cell in cells[1:8])
        except ValueError:
            problems.append(Problem(where, "has values that are no numbers"))
            continue
        within = hidden <= _HARD_HIDDEN and cut <= _HARD_CUT and bottom - top >= _HARD_HEIGHT
        beyond = options.hidden == "difficult" and not within
        yield Box(
            where=where,
            label=None if name == KITTI_IGNORED else name,
            corners=(left, top, right, bottom),
            difficult=beyond and name != KITTI_IGNORED,
        )
