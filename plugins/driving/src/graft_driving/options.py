"""Options of readers and augmentations. Torch-free."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from graft.data.options import AugmentOptions
from graft.recipe.schema import Options

Chance = Annotated[float, Field(ge=0, le=1)]


class SceneOptions(Options):
    """Masks of street scenes."""

    classes: tuple[str, ...] | None = None
    """The classes that are learnt, of those of the data set; pixels of all others count nowhere. By default all."""


class CityscapesOptions(SceneOptions):
    """`leftImg8bit` beside `gtFine`."""

    drive: Literal["city", "sequence"] = "city"
    """What a drive is: all images of a city, or of one of its sequences. Sequences of a city may follow each other
    within seconds, in the same street."""


class CamVidOptions(SceneOptions):
    """CamVid, in colours or in numbers."""


class BoxOptions(Options):
    """Boxes of street scenes."""

    classes: tuple[str, ...] | None = None
    """The classes that are learnt, of those of the data set; objects of others are left out. By default all that the
    data shows."""


class KittiBoxOptions(BoxOptions):
    """KITTI's text files of boxes."""

    hidden: Literal["difficult", "keep"] = "difficult"
    """Objects beyond KITTI's level "hard" (nearly hidden, cut off by half, or lower than 25 pixels) are `difficult`,
    and do not count in results; or they are kept as any other."""


class RoadOptions(AugmentOptions):
    """Weather, light and camera, beside what every augmentation has; what is not given is as the preset has it."""

    rain: Chance | None = None
    """Chance of rain."""
    fog: Chance | None = None
    """Chance of fog, thicker towards the horizon."""
    glare: Chance | None = None
    """Chance of a low sun in the picture."""
    night: Chance | None = None
    """Chance of darkness, with the noise that it brings."""
    motion_blur: Chance | None = None
    """Chance of blur by motion."""
    noise: Chance | None = None
    """Chance of a camera's noise."""
    strength: Annotated[float, Field(gt=0, le=1)] | None = None
    """How strong these can be: 1 is as strong as the hardest level of `graft driving robustness`."""
