"""`graft demo`: the whole way on generated images, with and without transfer, in about a minute."""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from graft.cli.data import write_sample
from graft.cli.session import JsonFlag, QuietFlag, emit, refine
from graft.console import Console
from graft.errors import PluginError
from graft.plugins import Plugins, TaskSpec

if TYPE_CHECKING:
    from graft.runs.folder import Run

app = typer.Typer()

TAKES = "labels"
"""The kind of target that the demo's images have; any task that takes it will do."""

SIZE = 64
PER_CLASS = 15
RECIPE: Mapping[str, Any] = {
    "backbone.kind": "graft:tiny",
    "backbone.size": SIZE,
    "strategy.pace.lr": 3e-3,
    "strategy.pace.head": 3.0,
    "train.epochs": 25,
    "train.batch": 16,
}
"""What both trainings share. The backbone's rate suits a network that starts from nothing: it is not held back."""

STARTS = {"transfer": "pretrained", "scratch": "none"}
"""The one thing in which they differ: `backbone.weights`."""


@app.callback(invoke_without_command=True)
def demo(
    out: Annotated[Path, typer.Option(help="The folder of runs.")] = Path("runs"),
    seed: Annotated[int, typer.Option(min=0, help="Seed of the images and of the training.")] = 0,
    as_json: JsonFlag = False,
    quiet: QuietFlag = False,
) -> None:
    """Train on a few generated images, once from pretrained weights and once from scratch, and compare.

    Needs no network and no data; takes about a minute on two cores. Leaves two runs, each with a report.
    """
    began = time.monotonic()
    session = refine(json=as_json, quiet=quiet)
    console, plugins = session.console, session.plugins
    task = _task(plugins)
    images = out / f"demo-images-{seed}"
    if not (images / "README.txt").is_file():
        console.say("Data", f"drawing labelled images into {images}")
        write_sample(TAKES, images, seed=seed, size=SIZE, per_class=PER_CLASS, plugins=plugins)
    console.say("Start", f"few labels in a new domain: {PER_CLASS} images of each class in {images / 'target'}")

    stamp = time.strftime("%Y-%m-%d_%H%M%S")
    runs: dict[str, Run] = {}
    for start, weights in STARTS.items():
        console.say("Train", "from graft:tiny's pretrained weights" if start == "transfer" else "from scratch")
        quietly = _Background(quiet=console.quiet)
        runs[start] = _train(
            task, images / "target", weights, seed=seed, out=out, name=f"{stamp}-demo-{start}", plugins=plugins,
            console=quietly,
        )  # fmt: skip
        console.warnings += quietly.warnings
        console.say("Test", _figure(runs[start], plugins.specs(TaskSpec)[task].monitor))
    seconds = time.monotonic() - began
    console.say("Done", f"{seconds:.0f} s; both test figures come with their 95 % intervals")
    console.say("Report", f"{runs['transfer'].path / 'report.html'}")
    console.say("Next", f"graft {plugins.specs(TaskSpec)[task].verb} train YOUR_IMAGES")
    if session.json:
        emit(
            {
                "run": runs["transfer"].path,
                "metrics": runs["transfer"].results["metrics"],
                "scratch": {"run": runs["scratch"].path, "metrics": runs["scratch"].results["metrics"]},
                "seconds": round(seconds, 1),
                "warnings": console.warnings,
            }
        )


class _Background(Console):
    """Shows bars and warnings, but leaves the talking to the demo."""

    def say(self, label: str, text: str) -> None:
        self.log.append(f"{label:<8} {text}")


def _task(plugins: Plugins) -> str:
    """Return the first task that takes labels.

    Raises:
        PluginError: When there is none.
    """
    name = next((name for name, spec in plugins.specs(TaskSpec).items() if spec.takes == TAKES), None)
    if name is None:
        raise PluginError(
            f"the demo has images with {TAKES}, and no plugin that is on has a task for them",
            fix="graft plugins list shows what is installed; switch such a plugin on, or install one",
        )
    return name


def _train(
    task: str, data: Path, weights: str, *, seed: int, out: Path, name: str, plugins: Plugins, console: Console
) -> Run:
    from graft.engine.train import train
    from graft.recipe import load_recipe

    values = {
        "task.kind": task,
        "data.train": str(data),
        **RECIPE,
        "backbone.weights": weights,
        "train.seed": seed,
    }
    resolved = load_recipe(None, base=values, plugins=plugins)
    return train(resolved, plugins=plugins, out=out, name=name, console=console)


def _figure(run: Run, metric: str) -> str:
    value = run.results["metrics"]["test"][metric]
    interval = "" if value["low"] is None else f"  ({value['low']:.2f} to {value['high']:.2f})"
    return f"{metric.replace('_', ' ')} {value['value']:.2f}{interval}"
