"""`graft driving robustness RUN`."""

from __future__ import annotations

import json
import math
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from graft.console import Console
from graft.errors import Problem, UserError, did_you_mean

if TYPE_CHECKING:
    from graft_driving.robustness import Robustness


class Split(StrEnum):
    """A part of a run's data."""

    test = "test"
    val = "val"
    train = "train"


app = typer.Typer(add_completion=False, rich_markup_mode="rich", help="Models for the road.")


@app.callback()
def driving() -> None:
    """Say what images from the road do to a model."""


@app.command()
def robustness(
    run: Annotated[Path, typer.Argument(help="The folder of a finished run.", show_default=False)],
    effects: Annotated[
        str | None, typer.Option(help="Some of the corruptions, with commas; by default all.", show_default=False)
    ] = None,
    levels: Annotated[str, typer.Option(help="How strong, 1 to 5, with commas.")] = "1,3,5",
    split: Annotated[Split, typer.Option(help="The part of the run's own data.")] = Split.test,
    repeats: Annotated[int, typer.Option(min=1, help="How often the time for one image is measured.")] = 30,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document on stdout.")] = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Say nothing but warnings.")] = False,
) -> None:
    """Measure a run's model in rain, fog, glare and night, blurred, noisy and compressed; and its time for an image.

    The run's own metric on its own test split, as it is and under each corruption at each level. Nothing is trained,
    and no file is changed.
    """
    from graft_driving.effects import EFFECTS
    from graft_driving.robustness import LEVELS
    from graft_driving.robustness import robustness as measure

    names, strong = _listed(effects, list(EFFECTS), "--effects"), _listed(levels, list(map(str, LEVELS)), "--levels")
    console = Console(quiet=quiet)
    found = measure(
        run, effects=names, levels=[int(level) for level in strong], split=split, repeats=repeats, console=console
    )
    for warning in found.warnings:
        console.warn(warning)
    typer.echo(json.dumps(_document(run, found, console), indent=2) if as_json else "\n".join(_lines(found)))


def _listed(given: str | None, known: list[str], option: str) -> list[str]:
    """Return what an option lists.

    Raises:
        UserError: With every name that is not known.
    """
    names = known if given is None else [name.strip() for name in given.split(",") if name.strip()]
    problems = [
        Problem(option, f"'{name}' is not known", did_you_mean(name, known)) for name in names if name not in known
    ]
    if problems or not names:
        raise UserError(f"{option} {given}", problems=problems, fix=f"some of {', '.join(known)}")
    return list(dict.fromkeys(names))


def _lines(found: Robustness) -> list[str]:
    levels = list(next(iter(found.values.values())))
    wide = max(map(len, ["corruption", *found.values]))
    metric = found.metric.replace("_", " ")
    head = "".join(f"{f'level {level}':>10}" for level in levels)
    lines = [f"{metric} {_number(found.clean)} as it is", "", f"{'corruption':<{wide}}{head}{'kept':>10}"]
    for effect, values in found.values.items():
        kept = found.kept(effect)
        cells = "".join(f"{_number(values[level]):>10}" for level in levels)
        lines.append(f"{effect.replace('_', ' '):<{wide}}{cells}{'–' if math.isnan(kept) else f'{kept:.0%}':>10}")
    own = found.latency
    lines += [
        "",
        f"mean over all {_number(found.mean)}",
        f"{own.median:.1f} ms for one image of {own.size[1]} × {own.size[0]} pixels, {own.slowest:.1f} ms at most "
        f"({own.device}{f', {own.threads} threads' if own.device == 'cpu' else ''}; without reading the file)",
    ]
    return lines


def _document(run: Path, found: Robustness, console: Console) -> dict[str, Any]:
    own = found.latency
    return {
        "run": str(run),
        "metric": found.metric,
        "clean": _plain(found.clean),
        "mean": _plain(found.mean),
        "corruptions": {
            effect: {"levels": {str(n): _plain(v) for n, v in values.items()}, "kept": _plain(found.kept(effect))}
            for effect, values in found.values.items()
        },
        "latency_ms": {
            "median": own.median,
            "slowest": own.slowest,
            "size": list(own.size),
            "device": own.device,
            "threads": own.threads,
        },
        "warnings": console.warnings,
    }


def _number(value: float) -> str:
    return "–" if math.isnan(value) else f"{value:.3f}"


def _plain(value: float) -> float | None:
    return None if math.isnan(value) else value
