"""`graft try`: the first look at labelled images, in less than a minute and without training."""

from __future__ import annotations

import re
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from graft.cli.labelled import labelling_task
from graft.cli.recipe_words import (
    BackboneOption,
    DeviceOption,
    DomainOption,
    RecipeCommand,
    RecipeOption,
    Words,
    asked,
    say_loading,
)
from graft.cli.session import JsonFlag, QuietFlag, emit, refine
from graft.errors import UserError

if TYPE_CHECKING:
    from graft.evaluation.metrics import Value
    from graft.tryout.look import Findings

app = typer.Typer(add_completion=False)

_HELP = """Take a first look at labelled images: what is wrong with them, and how far a pretrained network gets.

Reads and checks every file, finds copies and leaks, extracts features once, cross-validates probes on them, names the
labels that are likely wrong and the classes that are confused, and says what fine-tuning is likely to add. Trains no
network; leaves a folder with report.html.

Examples:

  graft try photos/

  graft try photos/ --backbone resnet50

  graft try labels.csv data.val=others.csv backbone.size=128
"""


@app.command(cls=RecipeCommand, help=_HELP)
def try_(
    words: Words = None,
    recipe: RecipeOption = None,
    out: Annotated[Path, typer.Option(help="The folder in which the new folder is made.")] = Path("runs"),
    name: Annotated[str | None, typer.Option(help="Its name.", show_default="date, time and data")] = None,
    domain: DomainOption = None,
    backbone: BackboneOption = None,
    weights: Annotated[str | None, typer.Option("--weights", help="backbone.weights", show_default=False)] = None,
    device: DeviceOption = None,
    as_json: JsonFlag = False,
    quiet: QuietFlag = False,
) -> None:
    """Look, say what was found, and write the page."""
    current = refine(json=as_json, quiet=quiet)
    console = current.console
    if not words and recipe is None:
        raise UserError("there is no data: name a folder or a table", fix="graft try photos/")
    shortcuts = {
        "data.on_bad": "skip",
        "domain.kind": domain,
        "backbone.kind": backbone,
        "backbone.weights": weights,
        "train.device": device,
    }
    task = labelling_task(current.plugins, what="graft try")
    resolved = asked(task, words, shortcuts, recipe=recipe, current=current)
    data = Path(resolved.recipe.data.train)
    console.say("Start", f"a first look at {data}")
    from graft.data.prepare import check_paths
    from graft.runs.folder import check_place

    check_paths(resolved.recipe.data)
    check_place(out, name)
    say_loading(console)

    from graft.tryout.look import look
    from graft.tryout.page import warnings, write

    findings = look(resolved, plugins=current.plugins, console=console)
    folder = _folder(out, name, data)
    page = write(findings, folder)
    for kind, what in (("linear", "linear probe"), ("knn", "nearest"), ("majority", "majority")):
        console.say("Found", f"{what} accuracy {_text(findings.probes[kind].accuracy)}")
    for true, taken, count, total in findings.confusions(3):
        console.say("Found", f"{count} of {total} {true} are taken for {taken}")
    for sentence in warnings(findings):
        console.warn(sentence)
    advice = findings.advice
    console.say("Advice", f"fine-tuning is likely to reach {findings.expected}; {advice.why}")
    console.say("Report", str(page))
    console.say("Next", advice.command)
    console.say("Done", f"in {findings.seconds:.0f} s")
    if current.json:
        emit(_document(findings, page))


def _folder(out: Path, name: str | None, data: Path) -> Path:
    """Make the folder that the page goes to.

    Raises:
        UserError: When it is there already, or cannot be made.
    """
    word = re.sub(r"[^\w.-]+", "-", data.stem or data.resolve().name) or "data"
    folder = out / (name or f"{time.strftime('%Y-%m-%d_%H%M%S')}-try-{word}")
    try:
        folder.mkdir(parents=True)
    except OSError as error:
        raise UserError(f"{folder} cannot be made: {error.strerror or error}", fix="choose another --out") from error
    return folder


def _text(value: Value) -> str:
    interval = f" (95 % {value.low:.3f} … {value.high:.3f})" if value.low is not None else ""
    return f"{value.value:.3f}{interval}"


def _document(findings: Findings, page: Path) -> dict[str, Any]:
    from graft.tryout.page import copy_rows, doubt_rows, warnings

    def plain(value: Value) -> dict[str, float | None]:
        return {"value": value.value, "low": value.low, "high": value.high}

    return {
        "report": page,
        "images": len(findings.samples),
        "classes": list(findings.classes),
        "probes": {
            kind: {"accuracy": plain(probe.accuracy), "balanced_accuracy": plain(probe.balanced_accuracy)}
            for kind, probe in findings.probes.items()
        },
        "confusions": [
            {"class": true, "taken_for": taken, "images": count, "of": total}
            for true, taken, count, total in findings.confusions()
        ],
        "doubts": doubt_rows(findings),
        "copies": copy_rows(findings),
        "bad_files": [{"id": one.id, "reason": one.reason} for one in findings.experiment.prepared.bad_files],
        "advice": {
            "strategy": findings.advice.strategy,
            "why": findings.advice.why,
            "accuracy": [findings.advice.low, findings.advice.high],
            "command": findings.advice.command,
        },
        "warnings": warnings(findings),
        "seconds": round(findings.seconds, 1),
    }
