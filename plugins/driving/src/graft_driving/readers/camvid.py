"""CamVid: in its authors' colours, or in the numbers of SegNet's copy. Torch-free."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from pydantic import BaseModel

from graft.data.reader import Reader
from graft.data.readers import require_path
from graft.data.samples import Catalogue
from graft.errors import DataError
from graft_driving.classes import CAMVID
from graft_driving.frames import Frame
from graft_driving.options import CamVidOptions
from graft_driving.readers.scenes import by_colour, by_training_number, catalogue_of, images_in

_COLOURED = (("701_StillsRaw_full", "LabeledApproved_full"), ("images", "LabeledApproved_full"))
_SPLITS = ("train", "val", "test")
_VOID = 11
_NAME = re.compile(r"(?P<drive>[^_]+)_f?(?P<frame>\d+)$")
_PER_SECOND = 30.0


class CamVidReader(Reader):
    """Reads `701_StillsRaw_full` with `LabeledApproved_full/*_L.png`, or `train` with `trainannot`, and so on.

    Masks are brought to the 11 usual classes. A drive is one of its videos, whose name begins each image's. Where
    images and masks lie in `train/images` and `train/labels`, it must be asked for: `data.reader.kind=camvid`.
    """

    def detect(self, path: Path) -> str | None:
        """Return why this is such a folder."""
        for images, masks in _COLOURED:
            if (path / images).is_dir() and (path / masks).is_dir():
                return f"there are {images}/ and {masks}/"
        if (path / "train").is_dir() and (path / "trainannot").is_dir():
            return "there are train/ and trainannot/"
        return None

    def read(self, path: Path, options: BaseModel) -> Catalogue:
        """Return every image with its mask.

        Raises:
            DataError: When folders are missing, and with each image without a mask.
        """
        if not isinstance(options, CamVidOptions):
            raise TypeError(f"CamVidOptions are needed, not {type(options).__name__}")
        require_path(path, "data")
        pair = next(((path / i, path / m) for i, m in _COLOURED if (path / i).is_dir() and (path / m).is_dir()), None)
        if pair is not None:
            images, masks = pair
            coding = by_colour(CAMVID)
            frames = [_frame(image, masks / f"{image.stem}_L.png", None) for image in images_in(images, self.decoder)]
        else:
            coding = by_training_number(CAMVID, _VOID)
            frames = [
                _frame(image, masks / f"{image.stem}.png", split)
                for split, images, masks in _numbered(path)
                for image in images_in(images, self.decoder)
            ]
        if not frames:
            raise DataError(
                f"{path} has none of CamVid's folders",
                fix="name the folder with 701_StillsRaw_full and LabeledApproved_full, with train and trainannot, or "
                "with train/images and train/labels",
            )
        return catalogue_of(
            path,
            [(frame, coding) for frame in frames],
            table=CAMVID,
            options=options,
            reader="camvid",
            decoder=self.decoder,
        )


def _numbered(path: Path) -> Iterator[tuple[str | None, Path, Path]]:
    """Yield splits with their folders of images and of masks."""
    for split in _SPLITS:
        if (path / f"{split}annot").is_dir():
            yield split, path / split, path / f"{split}annot"
        elif (path / split / "labels").is_dir():
            yield split, path / split / "images", path / split / "labels"


def _frame(image: Path, mask: Path, split: str | None) -> Frame:
    found = _NAME.match(image.stem)
    if found is None:
        return Frame(image=image, annotation=mask, split=split)
    second = int(found["frame"]) / _PER_SECOND
    return Frame(image=image, annotation=mask, split=split, drive=found["drive"], second=second)
