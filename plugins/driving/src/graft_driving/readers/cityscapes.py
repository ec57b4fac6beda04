"""Cityscapes: `leftImg8bit/SPLIT/CITY/` beside `gtFine/SPLIT/CITY/`. Torch-free."""

from __future__ import annotations

import re
from pathlib import Path

from pydantic import BaseModel

from graft.data.reader import Reader
from graft.data.readers import SPLIT_WORDS, require_path
from graft.data.samples import Catalogue
from graft.errors import DataError, Problem
from graft_driving.classes import CITYSCAPES
from graft_driving.frames import Frame
from graft_driving.options import CityscapesOptions
from graft_driving.readers.scenes import by_number, by_training_number, catalogue_of, images_in
from graft_segmentation.masks import Coding

_IMAGES = "leftImg8bit"
_MASKS = ("gtFine", "gtCoarse")
_NAME = re.compile(r"(?P<city>.+)_(?P<sequence>\d+)_(?P<frame>\d+)_leftImg8bit\.\w+$")
_PER_SECOND = 17.0


class CityscapesReader(Reader):
    """Reads images with masks of Cityscapes' own numbers (`labelIds`) or of training numbers (`labelTrainIds`).

    The masks of its test images are kept by its authors, and what is published in their place shows nothing: these
    images are left out. A drive is a city, or with `drive = "sequence"` a sequence.
    """

    def detect(self, path: Path) -> str | None:
        """Return why this is such a folder."""
        masks = _masks(path)
        return f"there are {_IMAGES}/ and {masks.name}/" if masks is not None and (path / _IMAGES).is_dir() else None

    def read(self, path: Path, options: BaseModel) -> Catalogue:
        """Return every image with its mask.

        Raises:
            DataError: When folders are missing, and with each image without a mask or with another name.
        """
        if not isinstance(options, CityscapesOptions):
            raise TypeError(f"CityscapesOptions are needed, not {type(options).__name__}")
        require_path(path, "data")
        masks = _masks(path)
        if masks is None or not (path / _IMAGES).is_dir():
            raise DataError(f"{path}: there is no {_IMAGES}/ beside gtFine/", fix="name the folder that has both")
        frames: list[tuple[Frame, Coding]] = []
        problems, left = [], 0
        for image in images_in(path / _IMAGES, self.decoder, deep=True):
            below = image.relative_to(path / _IMAGES)
            found = _NAME.match(image.name)
            split = SPLIT_WORDS.get(below.parts[0].split("_")[0].casefold())
            if found is None:
                problems.append(Problem(str(below), "is not named CITY_SEQUENCE_FRAME_leftImg8bit"))
                continue
            if split == "test":
                left += 1
                continue
            frames.append(_frame(found, image, masks, below.parent, split, options))
        if problems:
            raise DataError(f"{path} is not as Cityscapes is", problems=problems, fix="rename these images")
        notes = [f"{left} test images are left out: their masks are not published"] if left else []
        return catalogue_of(
            path,
            frames,
            table=CITYSCAPES,
            options=options,
            reader="cityscapes",
            decoder=self.decoder,
            notes=notes,
        )


def _masks(path: Path) -> Path | None:
    return next((path / name for name in _MASKS if (path / name).is_dir()), None)


def _frame(
    name: re.Match[str], image: Path, masks: Path, below: Path, split: str | None, options: CityscapesOptions
) -> tuple[Frame, Coding]:
    own = masks / below / f"{name['city']}_{name['sequence']}_{name['frame']}_{masks.name}_labelIds.png"
    trained = own.with_name(own.name.replace("labelIds", "labelTrainIds"))
    drive = name["city"] if options.drive == "city" else f"{name['city']}_{name['sequence']}"
    numbered = own.is_file() or not trained.is_file()
    frame = Frame(
        image=image,
        annotation=own if numbered else trained,
        split=split,
        drive=drive,
        # Of a city, sequences have clocks of their own.
        second=int(name["frame"]) / _PER_SECOND if options.drive == "sequence" else None,
    )
    return frame, by_number(CITYSCAPES) if numbered else by_training_number(CITYSCAPES)
