"""Options."""

from typing import Annotated

from pydantic import Field

from graft.recipe import Options


class TaskOptions(Options):
    """Of the task."""

    threshold: Annotated[float, Field(ge=0, le=1)] = 0.5
    """How sure is sure."""


class HeadOptions(Options):
    """Of the head."""

    width: Annotated[int, Field(ge=1)] = 8
    """Of the hidden layer."""


class ReaderOptions(Options):
    """Of the reader."""

    key: str = "ripeness"
    """Where the word stands."""
