"""Options of the task, its heads and its readers. Torch-free."""

from __future__ import annotations

import re
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, PositiveFloat, PositiveInt

from graft.data.options import TableOptions
from graft.recipe.schema import Options

Loss = Literal["cross-entropy", "dice", "focal", "tversky", "lovasz"]

Byte = Annotated[int, Field(ge=0, le=255)]


def _colour(text: str) -> str:
    if not re.fullmatch(r"#[0-9a-fA-F]{6}", text):
        raise ValueError(f"'{text}' is no colour; write it as in #8040c0")
    return text.lower()


Code = Annotated[int, Field(ge=0, le=65535)] | Annotated[str, AfterValidator(_colour)]
"""What stands for a class in a mask: a value, or a colour such as `#8040c0`."""


class TaskOptions(Options):
    """What a pixel's label means, and what is measured."""

    labels: Literal["single", "multi"] = "single"
    """`single`: every pixel is of exactly one class; background is a class, too. `multi`: of any number, also none."""
    threshold: Annotated[float, Field(gt=0, lt=1)] = 0.5
    """With `labels = "multi"`: the score from which on a class counts as predicted."""
    boundary: PositiveInt = 2
    """Pixels by which a predicted boundary may lie off and still counts as right, in `boundary_f1`."""

    @property
    def multi(self) -> bool:
        """Whether a pixel may have any number of labels."""
        return self.labels == "multi"


class HeadOptions(Options):
    """What every head of the task has."""

    loss: Loss | dict[Loss, PositiveFloat] = {"cross-entropy": 1.0, "dice": 1.0}  # noqa: RUF012
    """One of cross-entropy, dice, focal, tversky and lovasz, or a table of such with their weights in a sum."""
    class_weights: Literal["none", "balanced"] | dict[str, PositiveFloat] = "none"
    """How much each class counts in the losses. `balanced`: by the inverse root of its share of the training pixels; or
    a table by class, where a class that is not named has weight 1."""
    focal: Annotated[float, Field(ge=0)] = 2.0
    """The focal loss's exponent."""
    tversky: Annotated[float, Field(gt=0, lt=1)] = 0.7
    """The Tversky loss's weight of pixels that are missed; what is left of 1 is that of false ones. 0.5 is Dice."""
    dropout: Annotated[float, Field(ge=0, lt=1)] = 0.0
    """Share of the decoder's channels that are dropped at random while training."""
    width: PositiveInt | None = None
    """Channels of the decoder (of its last block, for `unet` and `unet++`); by default the papers'."""

    @property
    def losses(self) -> dict[str, float]:
        """The losses with their weights."""
        return {self.loss: 1.0} if isinstance(self.loss, str) else {name: self.loss[name] for name in self.loss}


class MaskOptions(Options):
    """How masks are read."""

    classes: tuple[str, ...] | dict[str, Code] | None = None
    """Names of the values 0, 1, 2 …; or a table of names with the value or the colour that stands for each. By default
    a file classes.txt beside the images, a table class_dict.csv of colours, or what the masks hold."""
    ignore: tuple[Code, ...] = ()
    """Values or colours of pixels that count nowhere; beside 255 where masks hold class numbers."""
    threshold: Byte | None = None
    """For grey masks of two classes: pixels above it are of the second."""


class MaskFolderOptions(MaskOptions):
    """A folder of images, and one of masks with the same names."""

    images: str | None = None
    """The folder of images below the data's; by default images, image, img or JPEGImages."""
    masks: str | None = None
    """The folder of masks; by default masks, mask, labels, label, annotations, groundtruth, gt or SegmentationClass.
    Folders in it that are named like classes hold one mask per class."""
    suffix: str = ""
    """What stands in a mask's name behind that of its image, as in `_mask`."""


class PairsOptions(TableOptions, MaskOptions):
    """A table with an image and its mask in each row."""

    path: str = "image"
    """The column of images."""
    mask: str = "mask"
    """The column of masks."""


class CocoOptions(Options):
    """COCO's JSON: polygons and run lengths."""

    root: str | None = None
    """The folder that file names are relative to, itself relative to the JSON file's folder; by default it is looked
    for."""
    background: str = "background"
    """The name of what no annotation covers, as a class. It is left out where it is empty, and such pixels then count
    nowhere; with `task.labels = "multi"` they are of no class."""
