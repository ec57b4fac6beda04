"""A plugin with two tasks, a domain and all that belongs to them: whatever the real ones become, this stays."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AliasChoices, Field, model_validator

from graft.errors import Problem
from graft.plugins import (
    AugmentationSpec,
    Contribution,
    DomainSpec,
    HeadSpec,
    MetricSpec,
    PluginInfo,
    Plugins,
    ReaderSpec,
    StrategySpec,
    TaskSpec,
)
from graft.plugins.discovery import core
from graft.plugins.loading import LoadedPlugin, load
from graft.recipe import Options


class SortingOptions(Options):
    """Options of the task `sorting`."""

    bins: Annotated[int, Field(ge=1, le=9)] = 3
    """Number of bins."""
    weights: dict[str, float] = Field(default_factory=dict)
    """Weight of each bin."""


class DeepOptions(Options):
    """Options of the head `deep`."""

    dropout: Annotated[float, Field(ge=0, lt=1)] = 0.1
    """Share that is dropped."""
    layers: tuple[int, ...] = (64, 32)
    """Width of each layer."""
    activation: Literal["relu", "gelu"] = "relu"
    """What follows each layer."""
    bias: bool = Field(default=True, validation_alias=AliasChoices("bias", "biased"))
    """Whether layers have one; it was called `biased` before."""
    name: str | None = None
    """A name."""


class Tip(Options):
    """A part of the head `fragile`."""

    angle: float
    """In degrees."""


class FragileOptions(Options):
    """Options of the head `fragile`, with a check of its own."""

    tip: Tip | None = None
    """Its tip."""
    low: float = 0.0
    """Below `high`."""
    high: float = 1.0
    """Above `low`."""

    @model_validator(mode="after")
    def _ordered(self) -> FragileOptions:
        if self.low >= self.high:
            raise ValueError("low must be below high")
        return self


class CoarseOptions(Options):
    """Options of a head that needs coarse maps."""

    at_least: int = 16
    """The reduction that some stage must have."""


def coarse_enough(reductions: tuple[int, ...], options: CoarseOptions) -> Problem | None:
    """Say so when no stage is coarse enough."""
    if max(reductions) >= options.at_least:
        return None
    return Problem("head.at_least", f"no stage is as coarse as {options.at_least}", f"there is {max(reductions)}")


class DotsOptions(Options):
    """Options of the reader `dots`."""

    column: str
    """The column with the dots; there is no good default."""


def task(
    name: str, *, takes: str = "labels", head: str = "flat", metrics: tuple[str, ...] = ("share", "rank")
) -> TaskSpec:
    return TaskSpec(
        name=name,
        summary=f"{name} things",
        target="toys:Task",
        options="toys:SortingOptions" if name == "sorting" else None,
        verb=name[:4],
        takes=takes,
        head=head,
        augment="basic",
        metrics=metrics,
        monitor=metrics[0],
    )


def head(name: str, options: str | None = None, *, tasks: tuple[str, ...] = ("sorting",)) -> HeadSpec:
    return HeadSpec(name=name, summary=name, target="toys:Head", options=options, tasks=tasks, needs="embedding")


CONTRIBUTIONS: tuple[Contribution, ...] = (
    task("sorting", takes="labels", head="flat", metrics=("share", "rank")),
    task("counting", takes="dots", head="dotted", metrics=("error",)),
    head("flat"),
    head("deep", "toys:DeepOptions"),
    head("fragile", "toys:FragileOptions"),
    head("lost", "toys:NoSuchOptions"),
    head("dotted", tasks=("counting",)),
    *(MetricSpec(name=n, summary=n, target="toys:M", tasks=("sorting",)) for n in ("share", "rank")),
    MetricSpec(name="error", summary="error", target="toys:M", tasks=("counting",)),
    ReaderSpec(name="dots", summary="dots", target="toys:R", options="toys:DotsOptions", gives="dots"),
    AugmentationSpec(name="jitter", summary="jitter", target="toys:A", tasks=("counting",)),
    DomainSpec(
        name="moon",
        summary="Pictures of the moon",
        target="toys:D",
        recipe={
            "backbone": {"kind": "resnet50", "size": 96},
            "augment": "none",
            "strategy": {"pace": {"lr": 0.5, "head": 2.0}},
            "train": {"epochs": 7},
        },
    ),
    StrategySpec(
        name="calm", summary="Calm", recipe={"unfreeze": {"kind": "none"}, "pace": {"lr": 0.25, "warmup": 0.5}}
    ),
    StrategySpec(name="wild", summary="Wild", recipe={"pace": {"lr": 8.0}}),
)


def toy_plugins(*more: Contribution) -> Plugins:
    """Return core's plugins and this one, which offers `more`, too."""
    info = PluginInfo(name="toys", version="1", distribution=None, licence=None, source="toys", hooks=())
    loaded = load(core())
    assert isinstance(loaded, LoadedPlugin)
    return Plugins([loaded, LoadedPlugin(info=info, contributions=(*CONTRIBUTIONS, *more))])
