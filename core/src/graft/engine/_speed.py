"""Ways to carry out the same calculation, and which of them is the fastest here.

Outputs, gradients and the names of the state dict stay what they are; only rounding differs.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from statistics import median
from typing import Any

import torch
from torch import Tensor

from graft.console import Console
from graft.engine._batch import out_of_memory
from graft.engine._quiet import hushed
from graft.engine._setup import Experiment
from graft.engine._trial import Trial, some_batch
from graft.model import Model
from graft.recipe.schema import Speed
from graft.recipe.values import budget_seconds

_FASTER = 1.03
"""What is not faster by more than this is not worth to differ from what was given."""

_FEW_IMAGES = 2
_STEP = 0.4
"""Seconds of the steps that are compared: batches are made smaller until they take no longer."""

_ROUNDS = 6
_ENOUGH = 8.0
"""Seconds after which no other round of comparisons begins."""

_LONG = 1800.0
"""Seconds of a run in which torch.compile, which takes a minute to try and another to use, may pay."""

_VARIANTS = 64
"""How often torch.compile may translate: for each stage, frozen or not, with and without gradients."""


def arrange(model: Model, speed: Speed, console: Console) -> None:
    """Put a model's weights into the memory order that `speed` says, and let torch.compile translate its backbone.

    Translated is stage by stage, in place, when it is used first: names, copies and checkpointing stay as they are.
    Where that fails, for want of a compiler for example, there is a warning, and the stage runs as it is.
    """
    if speed.channels_last:
        model.to(memory_format=torch.channels_last)
    if speed.compile:
        torch._dynamo.config.recompile_limit = max(torch._dynamo.config.recompile_limit, _VARIANTS)
        backend = _Inductor(console)
        for part in (*model.backbone.stages, model.backbone.tail):
            part.compile(backend=backend)


class _Inductor:
    """torch.compile's own translator, until it fails; then nothing is translated any more."""

    def __init__(self, console: Console) -> None:
        self.console = console
        self.failed = False

    def __call__(self, graph: torch.fx.GraphModule, inputs: Sequence[Tensor]) -> Callable[..., Any]:
        if not self.failed:
            from torch._inductor.compile_fx import compile_fx

            try:
                # Dropout draws what it would draw without: else that depends on what was translated before.
                return compile_fx(graph, inputs, config_patches={"fallback_random": True})  # type: ignore[return-value]
            except Exception as error:  # whatever a missing or a foreign compiler comes to
                self.failed = True
                cause = (str(error).strip() or type(error).__name__).splitlines()[0]
                self.console.warn(f"torch.compile does not work here, training goes on without it: {cause}")
        return graph.forward


@dataclass(frozen=True)
class _Way:
    """One way to calculate."""

    channels_last: bool
    precision: str
    compile: bool = False

    def __str__(self) -> str:
        parts = ["channels_last"] * self.channels_last + ["compile"] * self.compile + [self.precision]
        return " ".join(parts)


def fastest(experiment: Experiment, console: Console) -> tuple[Speed, str, str]:
    """Return the fastest way to train this network here, as measured on a few steps of a copy.

    What a recipe says itself stays: a precision other than `auto`, `channels_last` and `compile` when they are on.

    Returns:
        The recipe's `speed` and `train.precision`, with nothing left open, and a sentence on what was measured.
    """
    given = experiment.recipe.speed
    plain = _Way(given.channels_last, experiment.precision)
    ways = [plain, *_others(experiment, plain)]
    try:
        with hushed(console):
            seconds, size = _compare(experiment, ways)
            best = min(ways, key=lambda way: seconds[way])
            if seconds[plain] < _FASTER * seconds[best]:
                best = plain
            compiles, of_compile = _compiles(experiment, best, seconds[best], size)
    except Exception as error:
        if not out_of_memory(error):
            raise
        kept = Speed(channels_last=given.channels_last, compile=given.compile)
        return kept, experiment.precision, f"speed as given ({plain}), because the memory did not suffice for a trial"
    tried = "; ".join(f"{way} {1000 * seconds[way]:.3g} ms" for way in ways)
    chosen = _Way(best.channels_last, best.precision, compiles)
    why = f"speed {chosen}: per image of {size} in a training step, {tried}; {of_compile}"
    return Speed(channels_last=best.channels_last, compile=compiles), best.precision, why


def _others(experiment: Experiment, plain: _Way) -> list[_Way]:
    precisions = [plain.precision]
    if experiment.recipe.train.precision == "auto" and plain.precision == "fp32" and has_bf16(experiment.device):
        precisions.append("bf16")
    ways = [_Way(order, precision) for order in (plain.channels_last, True) for precision in precisions]
    return [way for way in dict.fromkeys(ways) if way != plain]


def has_bf16(device: str) -> bool:
    """Return whether a device can calculate in bf16 without pretending to."""
    if device == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    if device == "cpu" and torch.backends.mkldnn.is_available():  # type: ignore[no-untyped-call]
        return bool(torch.ops.mkldnn._is_mkldnn_bf16_supported())
    return False


def _compare(experiment: Experiment, ways: Sequence[_Way]) -> tuple[Mapping[_Way, float], int]:
    """Return the seconds per image of each way, and the number of images in a step: medians of steps in turn."""
    trials = {way: _trial(experiment, way, Console(quiet=True)) for way in ways}
    few = min(_FEW_IMAGES, experiment.batch)
    batch = some_batch(experiment, few)
    once = min(trials[ways[0]].step(batch) for _ in range(2))
    size = min(experiment.batch, max(few, int(few * _STEP / once)))
    batch = some_batch(experiment, size)
    taken: dict[_Way, list[float]] = {way: [] for way in ways}
    began = time.perf_counter()
    for _ in range(_ROUNDS):
        for way in ways:
            taken[way].append(trials[way].step(batch))
        if time.perf_counter() - began > _ENOUGH:
            break
    # The first step warms up.
    return {way: median(steps[1:] or steps) / size for way, steps in taken.items()}, size


def _compiles(experiment: Experiment, way: _Way, seconds: float, size: int) -> tuple[bool, str]:
    """Return whether to use torch.compile for `way`, which takes `seconds` per image, and why."""
    if experiment.recipe.speed.compile:
        return True, "compile as given"
    if experiment.device not in ("cpu", "cuda"):
        return False, f"compile is not tried on {experiment.device}"
    run = _run_seconds(experiment, seconds)
    if run < _LONG:
        return False, f"compile is not tried, which pays in runs of more than {_LONG / 60:.0f} minutes"
    console = Console(quiet=True)
    batch = some_batch(experiment, size)
    trial = _trial(experiment, _Way(way.channels_last, way.precision, compile=True), console)
    translating = trial.step(batch)
    if console.warnings:
        return False, console.warnings[0]
    compiled = median(trial.step(batch) for _ in range(3)) / size
    measured = f"compile {1000 * compiled:.3g} ms after {translating:.0f} s"
    return run * (1 - _FASTER * compiled / seconds) > 2 * translating, measured


def _run_seconds(experiment: Experiment, seconds: float) -> float:
    train = experiment.recipe.train
    if train.budget is not None:
        return budget_seconds(train.budget)
    return train.epochs * len(experiment.prepared.split["train"]) * seconds


def _trial(experiment: Experiment, way: _Way, console: Console) -> Trial:
    trial = Trial(replace(experiment, precision=way.precision))
    arrange(trial.model, Speed(channels_last=way.channels_last, compile=way.compile), console)
    return trial
