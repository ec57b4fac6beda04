"""`graft demo`: the whole way on generated images, with and without transfer, in about a minute."""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from graft.cli.data import write_sample
from graft.cli.labelled import labelling_task
from graft.cli.session import JsonFlag, QuietFlag, emit, refine
from graft.console import Console
from graft.data.samples import LABELS
from graft.errors import PluginError, did_you_mean
from graft.plugins import DomainSpec, Plugins, TaskSpec

if TYPE_CHECKING:
    from graft.runs.folder import Run

app = typer.Typer(add_completion=False)

SIZE = 48
PER_CLASS = 10
RECIPE: Mapping[str, Any] = {
    "backbone.kind": "graft:tiny",
    "backbone.size": SIZE,
    "augment.kind": "basic",
    "augment.scale": 0.7,
    "strategy.pace.lr": 4e-3,
    "strategy.pace.head": 3.0,
    "train.epochs": 20,
    "train.batch": 16,
}
"""What both trainings on the target part share. The rate suits a start from scratch: it is not held back."""

SOURCE: Mapping[str, Any] = {**RECIPE, "train.epochs": 10, "train.batch": 32, "evaluation.bootstrap": 0}
"""The training on the source part that transfer begins with."""


@app.command()
def demo(
    verb: Annotated[
        str | None, typer.Argument(help="What to learn, as in segment; by default to classify.", show_default=False)
    ] = None,
    domain: Annotated[
        str | None, typer.Option("--domain", help="On images as this domain has them.", show_default=False)
    ] = None,
    out: Annotated[Path, typer.Option(help="The folder of runs.")] = Path("runs"),
    seed: Annotated[int, typer.Option(min=0, help="Seed of the images and of the training.")] = 0,
    as_json: JsonFlag = False,
    quiet: QuietFlag = False,
) -> None:
    """Learn a new domain from few generated images, once from what was learnt before and once from scratch.

    Needs no network and no data; takes about a minute on two cores. Leaves three runs, each with a report.
    """
    began = time.monotonic()
    session = refine(json=as_json, quiet=quiet)
    console, plugins = session.console, session.plugins
    task = labelling_task(plugins, what="the demo") if verb is None else _task(plugins, verb)
    spec = plugins.specs(TaskSpec)[task]
    own: dict[str, Any] = {**spec.demo}
    if domain is not None:
        own |= {"domain.kind": domain, **plugins.find(DomainSpec, domain).demos.get(task, {})}
    what = "images" if spec.takes == LABELS else spec.takes
    images = out / f"demo-{f'{domain}-' if domain else ''}{what}-{seed}"
    if not (images / "README.txt").is_file():
        console.say("Data", f"drawing labelled images into {images}")
        size = int(own.get("backbone.size", SIZE))
        write_sample(task, images, domain=domain, seed=seed, size=size, per_class=PER_CLASS, plugins=plugins)

    stamp = time.strftime("%Y-%m-%d_%H%M%S")

    def run(step: str, part: str, weights: str, recipe: Mapping[str, Any]) -> Run:
        from graft.engine.train import train
        from graft.recipe import load_recipe

        given = {**recipe, **own, "backbone.weights": weights, "train.seed": seed}
        values = {"task.kind": task, "data.train": str(images / part), **given}
        resolved = load_recipe(None, base=values, plugins=plugins)
        silent = _Background(quiet=console.quiet)
        try:
            return train(resolved, plugins=plugins, out=out, name=f"{stamp}-demo-{step}", console=silent)
        finally:
            console.warnings += silent.warnings

    monitor = spec.monitor
    console.say("Source", "graft:tiny learns the source part, which has many labels")
    source = run("source", "source", "pretrained", SOURCE)
    few = f"{PER_CLASS} labels of each class" if spec.takes == LABELS else "which has few labels"
    console.say("Transfer", f"what it learnt is adapted to the target part, {few}")
    transfer = run("transfer", "target", str(source.bundle / "model.safetensors"), RECIPE)
    console.say("Scratch", "the same network learns the target part from nothing, by the same recipe")
    scratch = run("scratch", "target", "none", RECIPE)

    seconds = time.monotonic() - began
    also = f" --domain {domain}" if domain else ""
    measure = monitor.replace("_", " ")
    console.say("Test", f"{measure} on target images that no training saw{_intervals(transfer, monitor)}:")
    console.say("", f"transfer {_figure(transfer, monitor)}   from scratch {_figure(scratch, monitor)}")
    console.say("Report", str(transfer.path / "report.html"))
    console.say("Done", f"in {seconds:.0f} s; now yours: graft {spec.verb} train FOLDER{also}")
    if session.json:
        emit(
            {
                "run": transfer.path,
                "metrics": transfer.results["metrics"],
                "scratch": {"run": scratch.path, "metrics": scratch.results["metrics"]},
                "source": {"run": source.path, "metrics": source.results["metrics"]},
                "seconds": round(seconds, 1),
                "warnings": console.warnings,
            }
        )


class _Background(Console):
    """Shows bars and warnings, but leaves the talking to the demo."""

    def say(self, label: str, text: str) -> None:
        self.log.append(f"{label:<8} {text}")


def _task(plugins: Plugins, verb: str) -> str:
    """Return the task with a verb or a name, which must have sample data.

    Raises:
        PluginError: When there is none.
    """
    tasks = {name: spec for name, spec in plugins.specs(TaskSpec).items() if spec.sample or spec.takes == LABELS}
    found = [name for name, spec in tasks.items() if verb in (name, spec.verb)]
    if not found:
        verbs = [spec.verb for spec in tasks.values()]
        hint = did_you_mean(verb, verbs)
        what = f"there is no demo of '{verb}'"
        raise PluginError(what + (f": {hint}" if hint else ""), fix=f"one of {', '.join(verbs) or 'none'}")
    return found[0]


def _intervals(run: Run, metric: str) -> str:
    return "" if run.results["metrics"]["test"][metric]["low"] is None else ", with 95 % intervals"


def _figure(run: Run, metric: str) -> str:
    value = run.results["metrics"]["test"][metric]
    interval = "" if value["low"] is None else f" ({value['low']:.2f} to {value['high']:.2f})"
    return f"{value['value']:.2f}{interval}"
