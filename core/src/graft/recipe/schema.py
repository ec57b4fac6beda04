"""The recipe: one validated, serialisable description of an experiment. Torch-free.

A *part* is chosen by its `kind`; its other keys belong to whoever offers that kind and are checked by its own model
(`Options`) when the names are resolved.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, PositiveFloat, PositiveInt


class Options(BaseModel):
    """Base of every options model, core's and plugins': frozen, and an unknown key is an error."""

    model_config = ConfigDict(extra="forbid", frozen=True, validate_default=True, use_attribute_docstrings=True)


class Part(BaseModel):
    """A named choice with options of its own, which the owner's model checks: `{kind = "mlp", dropout = 0.2}`."""

    model_config = ConfigDict(extra="allow", frozen=True)

    kind: str

    @property
    def own(self) -> dict[str, Any]:
        """The keys beside `kind`."""
        return dict(self.__pydantic_extra__ or {})


def _named(value: Any) -> Any:
    return {"kind": value} if isinstance(value, str) else value


AnyPart = Annotated[Part, BeforeValidator(_named)]
"""A part, which may be written as its kind alone: `head = "linear"`."""


def _by(value: Any) -> Any:
    return {"by": value} if isinstance(value, str) else value


class Split(Options):
    """How samples are divided."""

    by: Literal["auto", "given", "random", "stratified", "group"] = "auto"
    """`auto`: as the data says, else by group where there are groups, else stratified."""
    val: Annotated[float, Field(ge=0, lt=1)] = 0.15
    """Share of the samples for validation, where it is not given."""
    test: Annotated[float, Field(ge=0, lt=1)] = 0.15
    """Share of the samples for testing, where it is not given."""
    seed: int = 0
    """Seed of the split alone: other seeds train on the same samples."""


class Data(Options):
    """Which images, how they are read, checked and divided."""

    train: str
    """A folder or a file; relative paths are relative to the working folder."""
    val: str | None = None
    """Validation data of its own, in the same format."""
    test: str | None = None
    """Test data of its own, in the same format."""
    reader: AnyPart = Part(kind="auto")
    """The data format; `auto` detects it and says what it found."""
    split: Annotated[Split, BeforeValidator(_by)] = Split()
    """How samples are divided: `by` alone, or a table."""
    on_bad: Literal["stop", "skip"] = "stop"
    """What to do with images that cannot be decoded: they are always counted and named."""
    duplicates: Literal["warn", "stop", "drop"] = "warn"
    """What to do with identical files in different splits; `drop` keeps the test file, then the validation file."""
    max_pixels: PositiveInt = 100_000_000
    """Images with more pixels are refused as oversized before they are decoded."""
    cache_mb: Annotated[int, Field(ge=0)] = 2048
    """Memory for decoded images, so that each file is decoded once; 0 decodes every time."""


class Backbone(Options):
    """The pretrained network."""

    kind: str = "graft:tiny"
    """An architecture (`resnet50`), or one of a certain source (`torchvision:mobilenet_v2`)."""
    weights: str = "pretrained"
    """`pretrained`, `none`, the name of imported weights, a file (.safetensors, .pth), or `hf-hub:owner/name`."""
    upto: str | None = None
    """Last stage that is used, as in `stage3`; what follows it, the weights' own pooled layers included, is cut off."""
    channels: PositiveInt = 3
    """Input channels; the first convolution's pretrained weights are adapted to other numbers than three."""
    size: PositiveInt | None = None
    """Side of the network's square input in pixels; by default the weights' own."""


class Strategy(Options):
    """How the pretrained network is adapted."""

    preset: str | None = None
    """A named strategy that the other keys refine: see `graft strategies list`."""
    unfreeze: AnyPart = Part(kind="all")
    """What trains: `none` (the head alone) or `all`."""
    pace: Pace = Field(default_factory=lambda: Pace())
    """Learning rates, over groups and over time."""
    regularise: Regularise = Field(default_factory=lambda: Regularise())
    """What keeps the weights from fitting too closely."""


class Pace(Options):
    """How fast each group of parameters learns."""

    lr: PositiveFloat = 1e-3
    """Base learning rate, of the backbone."""
    head: PositiveFloat = 10.0
    """Factor on the base rate for the head."""
    optimizer: Literal["adamw"] = "adamw"
    schedule: Literal["constant", "cosine"] = "cosine"
    warmup: Annotated[float, Field(ge=0, lt=1)] = 0.05
    """Share of all steps in which the rates rise linearly from zero."""


class Regularise(Options):
    """What keeps the weights from fitting too closely."""

    weight_decay: Annotated[float, Field(ge=0)] = 0.01
    """Not applied to norms and biases."""


class Train(Options):
    """The training loop."""

    epochs: PositiveInt = 20
    batch: PositiveInt = 32
    accumulate: PositiveInt = 1
    """Batches whose gradients are averaged into one step."""
    clip: PositiveFloat | None = 1.0
    """Largest norm of the gradient; longer ones are scaled down to it."""
    precision: Literal["auto", "fp32", "bf16", "fp16"] = "auto"
    """`auto`: bf16 on a GPU that has it, else fp32."""
    device: Literal["auto", "cpu", "cuda", "mps"] = "auto"
    workers: Annotated[int, Field(ge=0)] | Literal["auto"] = "auto"
    """Processes that load images; `auto`: none on a CPU, a few beside a GPU."""
    patience: PositiveInt | None = None
    """Epochs without a better `monitor` after which training stops; by default it goes on to the end."""
    monitor: str | None = None
    """The value on the validation split that picks the best epoch; by default the task's own. Larger is better."""
    seed: int = 0
    """Seed of everything but the split: weights, order, augmentation."""


class Evaluation(Options):
    """What is measured after training."""

    metrics: tuple[str, ...] | None = None
    """Metrics to compute; by default the task's own."""
    bootstrap: Annotated[int, Field(ge=0)] = 1000
    """Resamples for the 95 % intervals on the test split; 0 gives none."""


class Recipe(Options):
    """An experiment: data × task × domain × backbone × head × strategy × training."""

    task: AnyPart
    domain: AnyPart | None = None
    data: Data
    backbone: Annotated[Backbone, BeforeValidator(_named)] = Backbone()
    head: AnyPart | None = None
    """By default the task's own."""
    augment: AnyPart | None = None
    """An augmentation preset; by default the task's own."""
    strategy: Strategy = Strategy()
    train: Train = Train()
    evaluation: Evaluation = Evaluation()
