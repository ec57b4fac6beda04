"""Options of the task's readers. Torch-free."""

from __future__ import annotations

from pydantic import model_validator

from graft.data.options import CsvOptions
from graft.recipe.schema import Options


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


class BoxTableOptions(CsvOptions):
    """A table with a row per object, in UTF-8, with a header: `path,label,xmin,ymin,xmax,ymax`.

    A row with a path alone is an image without objects, and must be the only one of its image.
    """

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

    @model_validator(mode="after")
    def _one_label_per_box(self) -> BoxTableOptions:
        given = {name for name in ("separator", "allow_empty") if name in self.model_fields_set}
        if given and any(getattr(self, name) != type(self).model_fields[name].default for name in given):
            raise ValueError(f"{' and '.join(sorted(given))}: a box has one label, and an image may have no box")
        return self
