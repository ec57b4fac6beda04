"""The recipe: one validated, serialisable description of an experiment. Torch-free.

A *part* is chosen by its `kind`; its other keys belong to whoever offers that kind and are checked by its own model
(`Options`) when the names are resolved.

No key may be None unless that is its default: TOML has no null, so another None could not be written down.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Literal, get_args

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    GetCoreSchemaHandler,
    GetJsonSchemaHandler,
    PositiveFloat,
    PositiveInt,
    model_validator,
)
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema, core_schema

from graft.recipe.values import Budget, Pattern, Seed, Share, Sides, Size, Text


class Options(BaseModel):
    """Base of every options model, core's and plugins': frozen, and an unknown key is an error.

    The string under a field is its description in `graft recipe schema`.
    """

    model_config = ConfigDict(
        extra="forbid", frozen=True, validate_default=True, allow_inf_nan=False, use_attribute_docstrings=True
    )


class Part(BaseModel):
    """A named choice with options of its own, which the owner's model checks: `{kind = "mlp", dropout = 0.2}`."""

    model_config = ConfigDict(extra="allow", frozen=True, use_attribute_docstrings=True)

    kind: Text
    """Its name, or `plugin:name` where two plugins offer the same name."""

    @property
    def own(self) -> dict[str, Any]:
        """The keys beside `kind`."""
        return dict(self.__pydantic_extra__ or {})


@dataclass(frozen=True)
class Shorthand:
    """Lets a table be written as the text of one of its keys: `head = "linear"` for `head = {kind = "linear"}`."""

    key: str

    def expand(self, value: Any) -> Any:
        """Return the table that a text stands for; anything else as it is."""
        return {self.key: value} if isinstance(value, str) else value

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_before_validator_function(self.expand, handler(source))

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        return {"anyOf": [{"type": "string"}, handler(schema)]}


AnyPart = Annotated[Part, Shorthand("kind")]
"""A part, which may be written as its kind alone: `head = "linear"`."""


class Split(Options):
    """How samples are divided."""

    by: Literal["auto", "given", "random", "stratified", "group", "time"] = "auto"
    """`auto`: as the data says, else by group where there are groups, else stratified. `time`: train earliest, then
    val, then test, by the samples' times, else by their names."""
    val: Share = 0.15
    """Share of the samples for validation, where it is not given."""
    test: Share = 0.15
    """Share of the samples for testing, where it is not given."""
    seed: Seed = 0
    """Seed of the split alone: other seeds train on the same samples."""

    @model_validator(mode="after")
    def _something_is_left(self) -> Split:
        if self.val + self.test >= 1:
            raise ValueError(f"val = {self.val:g} and test = {self.test:g} leave nothing to train on")
        return self


class Data(Options):
    """Which images, how they are read, checked and divided."""

    train: Text
    """A folder or a file; relative paths are relative to the working folder."""
    val: Text | None = None
    """Validation data of its own, in the same format."""
    test: Text | None = None
    """Test data of its own, in the same format."""
    reader: AnyPart = Part(kind="auto")
    """The data format; `auto` detects it and says what it found."""
    decoder: AnyPart = Part(kind="standard")
    """What turns files into pixels, with what it is to make of them: a domain brings its own."""
    group: Pattern | None = None
    """A regular expression over the samples' names; what it finds (its first group, where it has one) names what they
    belong to, a patient or a place, and takes the place of what the data says itself."""
    split: Annotated[Split, Shorthand("by")] = Split()
    """How samples are divided: `by` alone, or a table."""
    on_bad: Literal["stop", "skip"] = "stop"
    """What to do with images that cannot be decoded: they are always counted and named."""
    duplicates: Literal["warn", "stop", "drop"] = "warn"
    """What to do with identical files in different splits; `drop` keeps the test file, then the validation file."""
    leaks: Literal["warn", "stop"] = "warn"
    """What to do when a group, or what the domain finds to be one place or person, is in more than one split."""
    max_pixels: PositiveInt = 100_000_000
    """Images with more pixels are refused as oversized before they are decoded."""
    cache_mb: Annotated[int, Field(ge=0)] = 2048
    """Megabytes of memory for decoded images, so that each file is decoded once; 0 decodes every time."""


class Backbone(Options):
    """The pretrained network."""

    kind: Text = "graft:tiny"
    """An architecture (`resnet50`), or one of a certain source (`torchvision:mobilenet_v2`)."""
    weights: Text = "pretrained"
    """`pretrained`, `none`, the name of imported weights, a file (.safetensors, .pth), or `hf-hub:owner/name`."""
    upto: Text | None = None
    """Last stage that is used, as in `stage3`; what follows it, the weights' own pooled layers included, is cut off."""
    channels: PositiveInt = 3
    """Input channels; the first convolution's pretrained weights are adapted to other numbers than three."""
    size: PositiveInt | Sides | None = None
    """Side of the network's square input in pixels, or its height and width; by default the weights' own."""

    @property
    def sides(self) -> tuple[int, int] | None:
        """Height and width of the network's input, where the recipe says them."""
        return (self.size, self.size) if isinstance(self.size, int) else self.size


class Pace(Options):
    """How fast each unit of the network learns, over its depth and over time."""

    lr: PositiveFloat = 1e-3
    """Base learning rate: that of the backbone's last stage."""
    head: PositiveFloat = 10.0
    """Factor on the base rate for the head."""
    layer_decay: Annotated[float, Field(gt=0, le=1)] = 1.0
    """Factor on the rate from each stage to the one before it: below 1, what lies deeper changes less."""
    rates: dict[str, PositiveFloat] = Field(default_factory=dict)
    """Learning rates of single units, by name (`stem`, `stage1` …, `tail`, `head`); they stand for themselves."""
    optimizer: AnyPart = Part(kind="adamw")
    """What turns gradients into steps: adamw, adam, radam, sgd, lamb, lars or lion."""
    schedule: AnyPart = Part(kind="cosine")
    """How the rates go on after the warm-up: constant, cosine, one-cycle, step, plateau …"""
    warmup: Share | None = None
    """Share of all steps in which the rates rise from zero; by default 0.05, and 0 where the schedule begins low."""


class Regularise(Options):
    """What keeps the weights from fitting too closely. Label smoothing, dropout and the loss are the head's."""

    weight_decay: Annotated[float, Field(ge=0)] = 0.01
    """Pull of the weights towards zero; not applied to norms and biases."""
    l2_sp: Annotated[float, Field(ge=0)] = 0.0
    """Pull of the backbone's weights towards the pretrained ones, which then takes the place of their weight decay."""
    stochastic_depth: Share = 0.0
    """Chance that the deepest residual block is skipped while training; falls to zero towards the input."""
    mixup: Annotated[float, Field(ge=0)] = 0.0
    """Blends pairs of images and their targets; the larger, the closer to halves. 0.2 is usual, 0 is off."""
    cutmix: Annotated[float, Field(ge=0)] = 0.0
    """Pastes a rectangle of another image, targets by area. 1.0 is usual, 0 is off; with mixup, they take turns."""
    ema: Share = 0.0
    """Weight of the past in a running average of all weights, which is what is kept. 0.99 is usual, 0 is off."""
    sam: Annotated[float, Field(ge=0)] = 0.0
    """Radius within which the loss shall be flat, at twice the time per step. 0.05 is usual, 0 is off."""
    sampling: Literal["natural", "balanced", "repeat-factor"] = "natural"
    """How often images are seen: as they are, every class as often as any other, or rare classes more often."""


class Strategy(Options):
    """How the pretrained network is adapted."""

    preset: Text | None = None
    """A named strategy that the other keys refine: see `graft strategies list`."""
    unfreeze: AnyPart = Part(kind="all")
    """What trains, and when: none, all, from, surgical, gradual, head-then-all or auto."""
    norm: Literal["follow", "freeze", "statistics", "train", "auto"] = "follow"
    """The backbone's norm layers: `follow` their stage; `freeze` all, for small batches; take the `statistics` of the
    new images also in frozen stages, for a shift of domain; or `train` all, also in frozen stages. `auto`: freeze
    pretrained batch norms that would see fewer than 16 images at a time."""
    pace: Pace = Pace()
    """Learning rates, over units and over time."""
    regularise: Regularise = Regularise()
    """What keeps the weights from fitting too closely."""


class Train(Options):
    """The training loop."""

    epochs: PositiveInt = 20
    """Times that every training sample is seen."""
    budget: Budget | None = None
    """Time for training and measuring, as in `90s`, `10m` or `1h30m`: stands in for `epochs`, and the schedule fits."""
    batch: PositiveInt | Literal["auto"] = 32
    """Samples per step and device; `auto`: as many as fit into the memory, at most 64, and 8 steps per epoch."""
    accumulate: PositiveInt = 1
    """Batches whose gradients are averaged into one step."""
    gradient_checkpointing: bool = False
    """Whether stages are computed twice instead of kept in memory: a third slower, for much less memory."""
    clip: Annotated[float, Field(ge=0)] = 1.0
    """Largest norm of the gradient; longer ones are scaled down to it. 0 leaves them as they are."""
    precision: Literal["auto", "fp32", "bf16", "fp16"] = "auto"
    """`auto`: bf16 on a GPU that has it, else fp32."""
    device: Literal["auto", "cpu", "cuda", "mps"] = "auto"
    """Where it runs; `auto` takes a GPU where there is one."""
    devices: PositiveInt = 1
    """How many devices of a machine train together; each works on `batch` samples per step."""
    workers: Annotated[int, Field(ge=0)] | Literal["auto"] = "auto"
    """Processes that load images; `auto`: none on a CPU, a few beside a GPU."""
    patience: PositiveInt | None = None
    """Epochs without a better `monitor` after which training stops; by default it goes on to the end."""
    monitor: Text | None = None
    """The value on the validation split that picks the best epoch; by default the task's own. Larger is better."""
    keep: Literal["best", "last"] = "best"
    """Which epoch's weights are left: the best by `monitor`, or the last, where that value says little."""
    seed: Seed = 0
    """Seed of everything but the split: weights, order, augmentation."""

    @property
    def batch_size(self) -> int:
        """`batch` as a number, which it is in the recipe of every run: `auto` is replaced before training begins."""
        if not isinstance(self.batch, int):
            raise ValueError("train.batch has not been chosen yet")
        return self.batch


class Speed(Options):
    """How the same calculation is carried out."""

    mode: Literal["given", "auto"] = "given"
    """`auto`: try for some seconds what is fastest here, and write it down in `channels_last`, `compile` and
    `train.precision`."""
    channels_last: bool = False
    """Whether images lie in memory pixel by pixel, which some processors prefer."""
    compile: bool = False
    """Whether torch.compile translates the network first, which takes a minute and pays in long runs."""


class Cache(Options):
    """What is frozen is calculated once for each image, and kept in `$GRAFT_HOME/features` for this run and others."""

    views: Annotated[int, Field(ge=0)] = 4
    """While the network begins with frozen stages, an image has this many augmented views, which the epochs visit in
    turn, and each is calculated once; mixup then blends what the frozen stages give. 0 draws a new view in every epoch
    and caches nothing."""
    limit: Size = "4GB"
    """Largest size of the whole cache, as in `500MB` or `4GB`; what does not fit is calculated each time. 0 keeps
    nothing; the result is the same."""


class Evaluation(Options):
    """What is measured after training."""

    metrics: tuple[Text, ...] | None = None
    """Metrics to compute; by default the task's own."""
    overlap: Annotated[float, Field(ge=0, le=0.5)] = 0.25
    """Share of a window that it has in common with the next one, at least, where large images are seen through windows:
    more is slower, and smoother where they meet. The model keeps it."""
    bootstrap: Annotated[int, Field(ge=0)] = 1000
    """Resamples for the 95 % intervals on the test split; 0 gives none."""


class Recipe(Options):
    """An experiment: data × task × domain × backbone × head × strategy × training."""

    task: AnyPart
    """What is predicted."""
    domain: AnyPart | None = None
    """Where the images come from: a fragment of defaults between the task's and this recipe's."""
    data: Annotated[Data, Shorthand("train")]
    """Which images, how they are read, checked and divided: the training data alone, or a table."""
    backbone: Annotated[Backbone, Shorthand("kind")] = Backbone()
    """The pretrained network: an architecture's name, or a table."""
    head: AnyPart | None = None
    """What turns features into outputs; by default the task's own."""
    augment: AnyPart | None = None
    """An augmentation preset; by default the task's own."""
    strategy: Annotated[Strategy, Shorthand("preset")] = Strategy()
    """How the pretrained network is adapted: a preset's name, or a table."""
    train: Train = Train()
    """The training loop."""
    speed: Annotated[Speed, Shorthand("mode")] = Speed()
    """How the same calculation is carried out: `auto`, or a table."""
    cache: Cache = Cache()
    """What is frozen is calculated once."""
    evaluation: Evaluation = Evaluation()
    """What is measured after training."""


def shorthands(model: type[BaseModel]) -> Mapping[tuple[str, ...], Shorthand]:
    """Return where a model's tables may be written as a text, by the path of the table, outermost first."""
    found: dict[tuple[str, ...], Shorthand] = {}
    for name, field in model.model_fields.items():
        pieces = [*field.metadata, *_pieces(field.annotation)]
        for piece in pieces:
            if isinstance(piece, Shorthand):
                found[(name,)] = piece
            elif isinstance(piece, type) and issubclass(piece, BaseModel):
                found.update({(name, *path): short for path, short in shorthands(piece).items()})
    return found


def _pieces(annotation: Any) -> list[Any]:
    """What an annotation is made of: `Annotated[Part, x] | None` is made of Part, x and None."""
    return [piece for arg in get_args(annotation) for piece in _pieces(arg)] or [annotation]
