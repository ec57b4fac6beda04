"""Options. Torch-free: recipes are checked with them."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from graft.data.options import TableOptions
from graft.recipe import Options


class SurveyOptions(TableOptions):
    """A folder for each field, each with photographs and a `plots.csv`."""

    path: str = "photo"
    """The column of photographs, relative to the field's folder."""
    grade: str = "grade"
    """The column of grades; as they sort, so is their order."""


class LightOptions(Options):
    """How much the light varies."""

    scale: Annotated[float, Field(gt=0, le=1)] = 0.6
    """Smallest share of the image's area that a random crop keeps."""
    sun: Annotated[float, Field(ge=0, le=1)] = 0.3
    """Largest relative change of brightness from one side of the image to the other."""
    shadow: Annotated[float, Field(ge=0, le=1)] = 0.5
    """Chance that a shadow falls across the image."""
