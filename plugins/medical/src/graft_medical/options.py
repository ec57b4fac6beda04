"""Options of the medical decoder. Torch-free."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, PositiveFloat, model_validator

from graft.data.options import Bending
from graft.recipe import Options
from graft.recipe.values import Share

Percentage = Annotated[float, Field(ge=0, le=100)]


class MedicalOptions(Options):
    """What a scanner's numbers become. Microscope images in usual files are read as usual."""

    window: tuple[float, PositiveFloat] | None = None
    """Middle and width of the values that become 0 to 1, as in [40, 400] for soft tissue in CT; by default the file's
    own, and where it has none, `percentiles`. The middle minus half the width becomes 0 (DICOM's LINEAR_EXACT)."""
    percentiles: tuple[Percentage, Percentage] = (0.5, 99.5)
    """Which percentiles of a file's values become 0 and 1, where no window says it; of a volume, of all slices."""
    axis: Literal["axial", "coronal", "sagittal"] = "axial"
    """Which slices of a volume are images."""
    neighbours: Annotated[int, Field(ge=0, le=10)] = 0
    """How many slices before and after one are further channels (2.5D): 1 gives three channels."""

    @model_validator(mode="after")
    def _rising(self) -> MedicalOptions:
        if self.percentiles[0] >= self.percentiles[1]:
            raise ValueError(f"percentiles {self.percentiles[0]:g} and {self.percentiles[1]:g} do not rise")
        return self


class ScanOptions(Options):
    """What is drawn at random for each scan; a key that is not given is as the preset has it."""

    scale: Annotated[float, Field(gt=0, le=1)] | None = None
    """Smallest share of the area that a crop keeps."""
    elastic: Bending | None = None
    """Largest displacement by smooth bending, as a share of the image's sides, half of the time."""
    gamma: Share | None = None
    """Largest change of contrast, as the logarithm of the exponent."""
    shift: Share | None = None
    """Largest change of brightness, as a share of the range and as a factor."""
    field: Share | None = None
    """Strength of a smooth bias field, half of the time."""
    noise: Share | None = None
    """Largest standard deviation of noise, as a share of the range, half of the time."""


class StainOptions(Options):
    """What is drawn at random for each stained image; a key that is not given is as the preset has it."""

    scale: Annotated[float, Field(gt=0, le=1)] | None = None
    """Smallest share of the area that a crop keeps."""
    elastic: Bending | None = None
    """Largest displacement by smooth bending, as a share of the image's sides, half of the time."""
    stain: Share | None = None
    """Largest relative change of each stain's density."""
    light: Share | None = None
    """Largest relative change of brightness."""
