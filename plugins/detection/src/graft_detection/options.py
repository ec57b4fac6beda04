"""Options of the task, its heads and its readers. Torch-free."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, PositiveInt, field_validator

from graft.data.options import TableOptions
from graft.recipe.schema import Options

_GROUPS = 32
"""Of the group norms in FCOS's layers, of two channels each at least: one value alone has no statistics."""


class CocoOptions(Options):
    """A JSON file in COCO's format, or a folder with one for each split."""

    root: str | None = None
    """The folder that file names are relative to, itself relative to the JSON file's folder; by default it is looked
    for."""


class VocOptions(Options):
    """A folder with `Annotations/*.xml`, or a folder with an XML file beside each image."""

    one_based: bool = True
    """Whether the first pixel has the number 1, as in Pascal VOC itself. Some programs begin with 0."""
    sets: str | None = None
    """The folder in `ImageSets` whose lists say the split of each image; by default `Main`, where there is one."""


class YoloOptions(Options):
    """A YAML file that names the images of each split and the classes, or a folder with `images` and `labels`."""


class BoxTableOptions(TableOptions):
    """A table with a row per object, in UTF-8, with a header: `path,label,xmin,ymin,xmax,ymax`.

    A row with a path alone is an image without objects, and must be the only one of its image.
    """

    label: str = "label"
    """The column of class names."""
    xmin: str = "xmin"
    """The column of left edges, in pixels from 0."""
    ymin: str = "ymin"
    """The column of top edges."""
    xmax: str = "xmax"
    """The column of right edges."""
    ymax: str = "ymax"
    """The column of bottom edges."""
    crowd: str = "crowd"
    """The column that says with 1 that a box is a crowd, where there is one."""
    difficult: str = "difficult"
    """The column that says with 1 that an object is difficult, where there is one."""


class TaskOptions(Options):
    """What counts as found."""

    unseen: Literal["stop", "allow"] = "stop"
    """What to do when a class has objects in val or test, and none to train on."""
    threshold: Annotated[float, Field(gt=0, lt=1)] = 0.5
    """The score from which on a prediction is drawn, captioned and written as one that the model is sure of."""


class DetectorOptions(Options):
    """What every detector has."""

    finest: PositiveInt = 8
    """The reduction of the finest stage that is looked at: 4 for very small objects, at the price of time."""
    extra: Annotated[int, Field(ge=0, le=4)] = 2
    """How many coarser levels come behind the backbone's last stage, for large objects."""
    width: Annotated[int, Field(ge=2)] = 256
    """Channels of each level."""
    score: Annotated[float, Field(ge=0, lt=1)] = 0.05
    """Predictions below it are left out."""
    overlap: Annotated[float, Field(gt=0, lt=1)] = 0.5
    """Of two predictions of one class that overlap by more, the less sure one is left out."""
    most: PositiveInt = 100
    """Predictions for one image, at most."""


class AnchorOptions(DetectorOptions):
    """Boxes that predictions start from."""

    anchor: Annotated[float, Field(gt=0)] = 4.0
    """Side of a level's smallest square box, in cells of that level."""
    ratios: Annotated[tuple[Annotated[float, Field(gt=0)], ...], Field(min_length=1)] = (0.5, 1.0, 2.0)
    """Height over width of each shape."""


class SsdOptions(AnchorOptions):
    """Dense predictions with one score out of all classes and the background."""

    negatives: Annotated[float, Field(gt=0)] = 3.0
    """Background boxes for each that belongs to an object, the worst ones, which count in the loss."""


class FcosOptions(DetectorOptions):
    """Dense predictions from points."""

    radius: Annotated[float, Field(gt=0)] = 1.5
    """How far from an object's centre a point may be that is to find it, in cells of its level."""

    @field_validator("width")
    @classmethod
    def _in_groups(cls, value: int) -> int:
        if value % _GROUPS or value < 2 * _GROUPS:
            raise ValueError(f"{value} channels cannot be normalised in {_GROUPS} groups: write 64, 96, 128 or so")
        return value


class FasterRcnnOptions(AnchorOptions):
    """Proposals, and a closer look at each of them."""

    extra: Annotated[int, Field(ge=0, le=4)] = 1
    """How many coarser levels come behind the backbone's last stage, for large objects."""
    proposals: PositiveInt = 1000
    """Proposals of an image that are looked at, at most."""
    sampled: PositiveInt = 256
    """Proposals of an image that a training step learns from, at most; a quarter of them of objects."""
    hidden: PositiveInt = 1024
    """Width of the layers that look at a proposal."""
