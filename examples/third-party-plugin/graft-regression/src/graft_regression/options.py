"""Options. Torch-free: recipes are checked with them."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from graft.data.options import TableOptions
from graft.recipe import Options


class ValueOptions(TableOptions):
    """A table with one row per image, in UTF-8, with a header; the separator of its columns is detected."""

    value: str = "value"
    """The column of numbers. It is also what the number is called."""


class LineOptions(Options):
    """How the line is fitted."""

    turn: Annotated[float, Field(gt=0)] = 1.0
    """The error, in standard deviations of the training values, from which on the loss grows no longer with its square
    (Huber 1964): a wrong annotation then pulls no harder than that."""
