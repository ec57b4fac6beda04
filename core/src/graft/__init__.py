"""Graft adapts a pretrained CNN to a new image domain. The Python API, with the words of the command line.

    run = graft.train({"task": "…", "data": {"train": "photos/"}}, "train.epochs=5")
    run.results["metrics"]["test"]
    for file in graft.load(run.path).predict(["new-photos/"]):
        print(file.path, file.row)

Importing it is cheap: torch comes with the first call that needs it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from graft.console import Console

if TYPE_CHECKING:
    from graft.data.decoder import Decoder
    from graft.evaluation import Value
    from graft.recipe import Recipe
    from graft.runs.folder import Run
    from graft.runs.predict import PredictedFile, Predictor

__all__ = ["Console", "Recipe", "Run", "evaluate", "load", "predict", "resume", "train"]


def train(
    recipe: Mapping[str, Any] | str | Path,
    *overrides: str,
    out: str | Path = "runs",
    name: str | None = None,
    console: Console | None = None,
) -> Run:
    """Train as `recipe` says and return the finished run: `graft TASK train`.

    Args:
        recipe: Nested values, or with dotted keys (`{"backbone.kind": "resnet50"}`), or the path of a TOML file.
        overrides: As on the command line, `train.epochs=5`.
        out: The folder of runs; made when it is missing.
        name: The run's name; by default date, time, task and architecture. A run is never overwritten.
        console: Says what happens; `Console(quiet=True)` says warnings alone.

    Raises:
        UserError: When something does not fit; nothing was written.
        TrainingError: When training started and cannot go on.
        InterruptedRun: On Ctrl-C or SIGTERM; `resume` goes on.
    """
    from graft.engine import train as engine
    from graft.plugins import load_plugins
    from graft.recipe import load_recipe

    plugins = load_plugins()
    if isinstance(recipe, Mapping):
        resolved = load_recipe(None, base=recipe, overrides=overrides, plugins=plugins)
    else:
        resolved = load_recipe(Path(recipe), overrides=overrides, plugins=plugins)
    return engine.train(resolved, plugins=plugins, out=Path(out), name=name, console=console or Console())


def resume(run: str | Path, *, console: Console | None = None) -> Run:
    """Go on with an interrupted run, to the same weights as if it had never stopped: `graft resume`.

    Raises:
        RunError: When there is no such run, or another process works on it.
    """
    from graft.engine.resume import resume as carry_on
    from graft.plugins import load_plugins

    return carry_on(Path(run), plugins=load_plugins(), console=console or Console())


def load(path: str | Path, *, device: str = "auto") -> Predictor:
    """Return what predicts images, from a run folder or a bundle folder.

    Raises:
        RunError: When there is none, or it is damaged.
    """
    from graft.plugins import load_plugins
    from graft.runs.predict import Predictor

    return Predictor.from_path(Path(path), plugins=load_plugins(), device=device)


def evaluate(
    run: str | Path,
    *,
    split: str = "test",
    console: Console | None = None,
    decoder: Callable[[Decoder], Decoder] | None = None,
    intervals: bool = True,
) -> Mapping[str, Value]:
    """Measure a run's model on a split of its own data: `graft TASK evaluate`.

    Args:
        run: A run folder.
        split: `train`, `val` or `test`.
        console: Says what happens; by default warnings alone.
        decoder: Given the run's decoder, returns what the model's images come from in its place: to measure what rain
            or noise cost. Targets are as they were.
        intervals: Whether to resample for 95 % intervals, which the test split alone has.
    """
    from graft.runs.folder import Run

    return Run.open(run).evaluate(split=split, console=console, decoder=decoder, intervals=intervals)


def predict(path: str | Path, paths: Iterable[str | Path], *, batch: int = 32) -> Iterator[PredictedFile]:
    """Yield a prediction for each image in `paths`, files or folders: `graft TASK predict`."""
    return load(path).predict(paths, batch=batch)


def __getattr__(name: str) -> Any:
    if name == "Recipe":
        from graft.recipe import Recipe

        return Recipe
    if name == "Run":
        from graft.runs.folder import Run

        return Run
    raise AttributeError(f"module 'graft' has no attribute {name!r}")
