"""Options of the head. Torch-free."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, NonNegativeFloat, PositiveInt, model_validator

from graft.recipe import Options
from graft.recipe.values import Text


class YoloHeadOptions(Options):
    """YOLO's neck and predictions, with ultralytics' own values as defaults."""

    version: Literal["yolov8", "yolo11", "yolo26"] = "yolo11"
    """Whose neck, predictions and loss. Any of them goes with any backbone; weights fit their own alone."""
    size: Literal["n", "s", "m", "l", "x"] = "n"
    """How wide and deep the neck is, as in `yolo11n`."""
    weights: Text | None = None
    """A file that neck and predictions begin from, safetensors or a plain state dict: what fits in name and shape."""
    box: NonNegativeFloat = 7.5
    """Weight in the loss of how well boxes overlap."""
    cls: NonNegativeFloat = 0.5
    """Weight in the loss of the classes."""
    dfl: NonNegativeFloat = 1.5
    """Weight in the loss of the distances to a box's edges."""
    nms: bool = True
    """Whether overlapping boxes are left out. If not, yolo26 gives what it learnt to predict once for each object."""
    score: Annotated[float, Field(ge=0, lt=1)] = 0.001
    """Predictions below it are left out."""
    overlap: Annotated[float, Field(gt=0, lt=1)] = 0.7
    """Of two predictions of one class that overlap by more, the less sure one is left out."""
    most: PositiveInt = 300
    """Predictions for one image, at most."""

    @model_validator(mode="after")
    def _once_is_learnt_by_one(self) -> YoloHeadOptions:
        if not self.nms and self.version != "yolo26":
            raise ValueError(f"nms: only yolo26 learns to predict each object once, {self.version} needs it")
        return self
