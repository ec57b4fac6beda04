"""Options of core's readers and augmentations. Torch-free."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, PositiveInt, model_validator

from graft.recipe.schema import Options

Bending = Annotated[float, Field(ge=0, le=0.06)]
"""How far `graft.data.elastic` displaces: beyond, images would fold."""


class FolderOptions(Options):
    """A folder per class: `class/*.jpg`, or `train|val|test/class/*.jpg`."""

    class_level: PositiveInt = 1
    """How deep the class folders lie; from 2 on, the folders above them are the samples' groups."""


class TableOptions(Options):
    """The columns that every table may have."""

    path: str = "path"
    """The column of image paths."""
    split: str = "split"
    """The column of `train`, `val` or `test`, where there is one."""
    group: str = "group"
    """The column of groups (a patient, a scene) that are never divided, where there is one."""
    time: str = "time"
    """The column of times (numbers, ISO dates) that `data.split.by = "time"` goes by, where there is one."""
    root: str | None = None
    """The folder that image paths are relative to, itself relative to the table's folder, which is the default."""


class CsvOptions(TableOptions):
    """A table with one row per image, in UTF-8, with a header; the separator of its columns is detected."""

    label: str = "label"
    """The column of class names."""
    separator: str = ";"
    """What separates several labels in one cell; empty when a cell is always one label."""
    allow_empty: bool = False
    """Whether an empty label means an image that shows none of the classes, rather than a mistake."""


class SequenceOptions(CsvOptions):
    """Sequences of images: a folder for each, in a folder per class; or a table with a row per frame."""

    sequence: str = "sequence"
    """The column of a table that names the sequence of each frame."""
    frame: str = "frame"
    """The column of frame numbers, beside the paths; in a table without a column of paths, it has the paths."""
    max_frames: PositiveInt | None = None
    """Of longer sequences, so many frames are looked at, evenly spaced from the first to the last; by default all."""
    min_frames: PositiveInt = 1
    """Shorter sequences are passed over, and named."""

    @model_validator(mode="after")
    def _fewest_are_no_more(self) -> SequenceOptions:
        if self.max_frames is not None and self.max_frames < self.min_frames:
            raise ValueError(f"max_frames = {self.max_frames} is less than min_frames = {self.min_frames}")
        return self


class AugmentOptions(Options):
    """What is drawn at random for each image and epoch; a key that is not given is as the preset has it."""

    scale: Annotated[float, Field(gt=0, le=1)] | None = None
    """Smallest share of the image's area that a random crop keeps; 1 cuts out the centre, as evaluation does."""
    aspect: Annotated[float, Field(ge=1, le=4)] | None = None
    """Largest factor by which a random crop's aspect ratio differs from the network input's, either way."""
    flip: bool | None = None
    """Mirror left and right, half of the time."""
    vertical_flip: bool | None = None
    """Mirror top and bottom, half of the time: for images without an up and down."""
    rotate: Annotated[float, Field(ge=0, le=180)] | None = None
    """Largest rotation in degrees, either way, half of the time; corners are filled by reflection."""
    elastic: Bending | None = None
    """Largest displacement by smooth bending, as a share of the image's sides, half of the time; edges stay edges."""
    colour: Annotated[float, Field(ge=0, le=1)] | None = None
    """Largest relative change of brightness and of contrast, either way."""
    hue: Annotated[float, Field(ge=0, le=0.5)] | None = None
    """Largest shift of the hue as a share of the colour circle, and of the saturation by four times that share, half of
    the time."""
    erase: Annotated[float, Field(ge=0, le=1)] | None = None
    """Chance that a patch, of 2 to 30 % of the image, is replaced by noise; of a long image the largest are smaller."""
