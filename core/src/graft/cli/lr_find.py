"""`graft TASK lr-find`: from the words that train takes to a learning rate, with its picture."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from graft.cli.recipe_words import (
    BackboneOption,
    DeviceOption,
    DomainOption,
    RecipeCommand,
    RecipeOption,
    SeedOption,
    Words,
    announce,
    asked,
    verb,
)
from graft.cli.session import JsonFlag, QuietFlag, emit, refine
from graft.errors import TrainingError, UserError
from graft.strategies.lr_range import LEAST_STEPS, smoothed

if TYPE_CHECKING:
    from graft.engine.lr_find import Found

_HELP = """Find a learning rate: train some steps at ever higher ones and watch the loss. No model and no run is left.

Takes what train takes, and prints the override to type next. The test is Smith's (WACV 2017), the rules by which it
suggests a rate are fastai's.

Examples:

  graft {verb} lr-find photos/

  graft {verb} lr-find photos/ --backbone resnet50 strategy=fixed --out fixed.png

  graft {verb} lr-find --recipe recipe.toml train.seed=1
"""
_PICTURES = (".png", ".svg")


def register(app: typer.Typer, task: str) -> None:
    """Add `lr-find` to the command group of `task`."""

    @app.command("lr-find", cls=RecipeCommand, help=_HELP.format(verb=verb(task)))
    def lr_find(
        words: Words = None,
        recipe: RecipeOption = None,
        steps: Annotated[int, typer.Option(min=LEAST_STEPS, help="Steps, if the loss does not explode before.")] = 100,
        out: Annotated[Path, typer.Option(help="The picture, .png or .svg.")] = Path("lr-find.png"),
        domain: DomainOption = None,
        backbone: BackboneOption = None,
        device: DeviceOption = None,
        seed: SeedOption = None,
        as_json: JsonFlag = False,
        quiet: QuietFlag = False,
    ) -> None:
        session = refine(json=as_json, quiet=quiet)
        _check_picture(out)
        shortcuts = {
            "domain.kind": domain,
            "backbone.kind": backbone,
            "train.device": device,
            "train.seed": seed,
        }
        resolved = asked(task, words, shortcuts, recipe=recipe, current=session)
        announce(resolved, session.console)

        from graft.engine.lr_find import find_learning_rate

        found = find_learning_rate(resolved, plugins=session.plugins, steps=steps, console=session.console)
        _draw(found, out)
        session.console.say("Picture", str(out))
        if not found.suggestions:
            raise TrainingError(
                f"no suggestion: the loss does not fall before the rate is {found.rates[-1]:.1e}; {out} shows it",
                fix="look at the images and their labels, or try more --steps",
            )
        override = f"strategy.pace.lr={found.suggestions['valley']:.1e}"
        session.console.say("Found", _in_words(found))
        if session.json:
            emit(
                {
                    "override": override,
                    "suggestions": found.suggestions,
                    "diverged": found.diverged,
                    "rates": found.rates,
                    "losses": found.losses,
                    "smoothed": smoothed(found.losses),
                    "picture": out,
                    "warnings": session.console.warnings,
                }
            )
        else:
            print(override)


def _in_words(found: Found) -> str:
    rules = {"valley": "amid the longest fall of the loss", "steep": "where it falls fastest"}
    parts = [f"{name} {rate:.1e}, {rules[name]}" for name, rate in found.suggestions.items()]
    if found.diverged:
        parts.append(f"the loss explodes at {found.rates[-1]:.1e}")
    return "; ".join(parts)


def _check_picture(out: Path) -> None:
    if out.suffix.lower() not in _PICTURES:
        raise UserError(f"--out {out}: expected the name of a picture", fix=f"end it in {' or '.join(_PICTURES)}")
    if not out.parent.is_dir():
        raise UserError(f"--out {out}: the folder {out.parent} does not exist", fix="make it first")


def _draw(found: Found, out: Path) -> None:
    from graft import atomic
    from graft.report.lr_figure import range_test

    drawn = range_test(found.rates, found.losses, smoothed(found.losses), found.suggestions)
    with atomic.writing(out) as file:
        drawn.figure.savefig(file, format=out.suffix.lower().removeprefix("."), dpi=150)
