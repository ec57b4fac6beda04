"""From a recipe to a learning rate: a short training at ever higher rates, of which nothing is kept."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import count
from typing import TYPE_CHECKING

import torch

from graft.console import Console
from graft.data.batch import Batch
from graft.engine._batch import out_of_memory
from graft.engine._choose import deadline, make_choices
from graft.engine._loss import training_loss
from graft.engine._plan import say_plan
from graft.engine._seeds import derive, seed_all, undisturbed
from graft.engine._setup import Experiment, set_up
from graft.engine._signals import Stopper, nothing_written, stoppable
from graft.errors import Problem, RecipeError, TrainingError
from graft.plugins import Plugins
from graft.strategies import unfreeze
from graft.strategies.anchor import Anchor
from graft.strategies.groups import learning_rates, parameter_groups, units
from graft.strategies.lr_range import diverges, rising, suggestions
from graft.strategies.optimizers import build_optimizer

if TYPE_CHECKING:
    from graft.recipe import ResolvedRecipe


@dataclass(frozen=True, kw_only=True)
class Found:
    """What a range test found.

    Args:
        rates: The base learning rate of each step, rising.
        losses: The loss before that step; the last one may not be finite.
        diverged: Whether it ended because the loss rose or was not finite; the last rate is then too high.
        suggestions: Base rates by the name of the rule, the one to try first before the others; empty when the loss
            fell at no rate, or rose too soon.
    """

    rates: Sequence[float]
    losses: Sequence[float]
    diverged: bool
    suggestions: Mapping[str, float]


def find_learning_rate(resolved: ResolvedRecipe, *, plugins: Plugins, steps: int, console: Console) -> Found:
    """Train as a recipe begins to, at base rates (`strategy.pace.lr`) that rise with each step, and watch the loss.

    Units, multipliers, optimizer, batch, augmentation and what is frozen are those of the recipe's first epoch; a
    schedule is not, for the rate found is its peak. Nothing is written. The same recipe gives the same answer.

    Args:
        resolved: What the rate is for.
        plugins: Who offers its parts.
        steps: How many, if the loss lets it; at least `LEAST_STEPS`.
        console: Says what happens.

    Raises:
        UserError: When something does not fit.
        TrainingError: When the memory does not suffice.
        InterruptedRun: On Ctrl-C or SIGTERM.
    """
    if resolved.head.fitted:
        problem = Problem("head.kind", f"'{resolved.head.name}' is fitted at once, without steps or rates")
        raise RecipeError("There is no rate to find", problems=[problem], fix="choose a head that learns by steps")
    with undisturbed(), stoppable() as stopper, nothing_written():
        experiment = set_up(resolved, plugins=plugins, console=console)
        experiment = make_choices(experiment, ends=deadline(experiment, began=time.monotonic()), console=console)
        say_plan(experiment, console)
        rates = rising(steps)
        console.say("Test", f"up to {steps} steps at rates from {rates[0]:.0e} to {rates[-1]:.0e}")
        try:
            losses = _losses(experiment, rates, console, stopper)
        except Exception as error:
            if not out_of_memory(error):
                raise
            raise TrainingError(
                f"out of memory, with {experiment.batch} images per batch",
                fix="a smaller train.batch and a larger train.accumulate, whose product is the same",
            ) from None
    return Found(
        rates=rates[: len(losses)],
        losses=losses,
        diverged=diverges(losses, steps=steps),
        suggestions=suggestions(rates[: len(losses)], losses, steps=steps),
    )


def _losses(experiment: Experiment, rates: Sequence[float], console: Console, stopper: Stopper) -> list[float]:
    """Return the loss of each step, up to the one at which it diverges; the model's weights are changed."""
    pace, model = experiment.recipe.strategy.pace, experiment.model
    l2_sp, clip = experiment.recipe.strategy.regularise.l2_sp, experiment.recipe.train.clip
    optimizer = _begun(experiment)
    anchor = Anchor(model, l2_sp) if l2_sp else None
    scaler = torch.amp.GradScaler(experiment.device, enabled=experiment.precision == "fp16")
    batches = _endless(experiment, stopper)
    losses: list[float] = []
    with console.progress("Test", total=len(rates)) as bar:
        for step, rate in enumerate(rates):
            absolute = learning_rates(pace.model_copy(update={"lr": rate}), list(units(model)))
            for group in optimizer.param_groups:
                group["lr"] = absolute[group["unit"]]
            losses.append(_loss_and_gradients(experiment, batches, scaler, step))
            bar.advance(note=f"lr {rate:.1e}")
            if diverges(losses, steps=len(rates)):
                break
            scaler.unscale_(optimizer)
            if clip:
                torch.nn.utils.clip_grad_norm_(model.parameters(), clip)
            scaler.step(optimizer)
            scaler.update()
            optimizer.zero_grad()
            if anchor is not None:
                anchor.pull(optimizer)
    return losses


def _begun(experiment: Experiment) -> torch.optim.Optimizer:
    """Put the model where the first epoch begins, and return its optimizer.

    Raises:
        RecipeError: When the base rate is that of no unit that trains.
    """
    recipe, strategy, model = experiment.recipe, experiment.recipe.strategy, experiment.model
    names = list(units(model))
    model.head.prepare(experiment.targets_of("train"))
    model.backbone.checkpointing = recipe.train.gradient_checkpointing
    model.to(experiment.device).train()
    frozen = unfreeze.frozen(strategy.unfreeze, names, 0, recipe.train.epochs)
    unfreeze.apply(model, frozen, strategy.norm)
    rates = learning_rates(strategy.pace, names)
    groups = parameter_groups(model, rates=rates, regularise=strategy.regularise)
    if all(group["unit"] in frozen or group["unit"] in strategy.pace.rates for group in groups):
        problem = Problem("strategy.pace.rates", "has a rate for each unit that trains, so the base rate acts on none")
        raise RecipeError("There is no rate to find", problems=[problem], fix="leave out the units that shall follow")
    return build_optimizer(strategy.pace.optimizer, groups)


def _loss_and_gradients(
    experiment: Experiment, batches: Iterator[Batch], scaler: torch.amp.GradScaler, step: int
) -> float:
    """Add the gradients of one step, scaled, and return its loss."""
    recipe = experiment.recipe
    half = torch.float16 if experiment.precision == "fp16" else torch.bfloat16
    total = 0.0
    for part in range(recipe.train.accumulate):
        batch = next(batches)
        seed_all(derive(recipe.train.seed, "lr-find", step, part))
        with torch.autocast(experiment.device, dtype=half, enabled=experiment.precision != "fp32"):
            loss = training_loss(experiment.model, batch, recipe.strategy.regularise) / recipe.train.accumulate
        scaler.scale(loss).backward()  # type: ignore[no-untyped-call]
        total += float(loss.detach())
    return total


def _endless(experiment: Experiment, stopper: Stopper) -> Iterator[Batch]:
    """Yield the training batches of epoch after epoch, on the device."""
    loader, sampler = experiment.train_loader()
    for epoch in count():
        sampler.set_epoch(epoch)
        for batch in loader:
            stopper.check()
            yield batch if experiment.device == "cpu" else batch.to(experiment.device, non_blocking=True)
