"""Options of the heads, of the augmentation, and of files of generated images. Torch-free."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, NonNegativeInt, PositiveFloat, PositiveInt

from graft.data.options import AugmentOptions
from graft.recipe import Options

Kind = Literal["dead-leaves", "scenes", "textures", "gratings", "noise"]
Share = Annotated[float, Field(ge=0, le=1)]


class SimclrOptions(Options):
    """Contrastive learning of views."""

    temperature: PositiveFloat = 0.2
    """What cosines are divided by: smaller, and the views that are hard to tell apart count more."""
    hidden: PositiveInt = 512
    """Width of the projector's hidden layer."""
    outputs: PositiveInt = 128
    """Length of what views are compared by."""


class VicregOptions(Options):
    """Variance, invariance and covariance of views."""

    invariance: PositiveFloat = 25.0
    """Weight of the distance between two views."""
    variance: PositiveFloat = 25.0
    """Weight of what entries lack to a deviation of 1 over the batch."""
    covariance: PositiveFloat = 1.0
    """Weight of what entries have in common."""
    hidden: PositiveInt = 1024
    """Width of the expander's hidden layers."""
    outputs: PositiveInt = 1024
    """Length of what views are compared by."""


class ViewOptions(AugmentOptions):
    """What is drawn at random for each view; a key that is not given is as the preset has it."""

    grey: Share | None = None
    """Share of the views that are without colour."""
    blur: Annotated[float, Field(ge=0, le=10)] | None = None
    """Largest deviation of a Gaussian blur in pixels, half of the time."""
    grain: Share | None = None
    """Largest deviation of a camera's noise as a share of full scale, half of the time."""


class Drawn(Options):
    """A file of generated images. Image i depends on kind, size, seed and i alone, whatever the count."""

    kind: Kind
    """`dead-leaves`: textured shapes that hide one another; `scenes`: things on a ground, under a sky; `textures`: one
    pattern in two colours; `gratings`: patches of stripes; `noise`: clouds."""
    count: Annotated[int, Field(ge=1, le=10_000_000)]
    """How many there are."""
    size: Annotated[int, Field(ge=8, le=2048)] = 64
    """Height and width in pixels."""
    seed: NonNegativeInt = 0
    """What they are drawn from."""
