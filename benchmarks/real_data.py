"""What the tables of segmentation and detection share: runs that are trained once, a file of results, pages, curves.

A table is filled from its JSON file alone, so every figure on a page is one that a run wrote.
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import statistics
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

from transfer_table import Weights

DOCUMENTS = Path(__file__).parent.parent / "docs" / "results"
LIBRARIES = ("torch", "torchvision", "segmentation-models-pytorch", "ultralytics")

WEIGHTS = Weights(
    name="mobilenet-imagenet",
    file="mobilenet_v2_tv_imagenet_fp16.pth",
    arch="torchvision:mobilenet_v2",
    mean=0.5,
    std=0.5,
    size=224,
    epochs=0,
)
"""torchvision's MobileNet v2."""


@dataclass(frozen=True, kw_only=True, order=True)
class Case:
    """One line of a table: what is trained on what, from which weights."""

    data: str
    head: str
    weights: str
    """`ImageNet`, or `none`."""

    @property
    def name(self) -> str:
        """A name for a run's folder, and in the results."""
        return f"{self.data}-{self.head}-{self.weights}".replace("+", "-plus")


def options(description: str, seeds: Sequence[int]) -> argparse.Namespace:
    """Read the command line, and bring the weights in."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--out", type=Path, required=True, help="folder for the runs; finished ones are not repeated")
    parser.add_argument("--seeds", nargs="+", type=int, default=seeds, help="which seeds are trained")
    parser.add_argument("--epochs", type=int, help="epochs of every run, instead of the script's own")
    parser.add_argument("--only", nargs="+", default=[""], help="only cases whose names contain one of these")
    parser.add_argument("--quick", action="store_true", help="try the script: an epoch of each, seed 0, no page")
    given = parser.parse_args()
    if given.quick:
        given.seeds, given.epochs = [0], 1
    os.environ.setdefault("GRAFT_HOME", str((given.out / "home").absolute()))
    given.out.mkdir(parents=True, exist_ok=True)
    if not (Path(os.environ["GRAFT_HOME"]) / "weights" / WEIGHTS.name).exists():
        WEIGHTS.load(Path(os.environ["GRAFT_TEST_DATA"]) / "weights")
    return given


def trained(out: Path, name: str, recipe: Mapping[str, Any]) -> dict[str, Any]:
    """Return what the run of a recipe came to, and train it unless it is there."""
    import graft

    if not (out / name / "results.json").exists():
        graft.train(recipe, out=out, name=name)
    run = graft.Run.open(out / name)
    metrics = run.results["metrics"]["test"]
    monitor = run.results["monitor"]
    return {
        "test": {key: {k: _short(v) for k, v in value.items()} for key, value in metrics.items()},
        "val": [_short(row[f"val.{monitor}"]) for row in run.history],
        "best_epoch": run.results["best_epoch"],
        "epochs": run.results["epochs"],
    }


def gathered(
    page: str, cases: Iterable[Case], given: argparse.Namespace, recipe: Any
) -> dict[str, dict[int, dict[str, Any]]]:
    """Train what is not there yet, seed by seed, and return all results by case and seed; they stand in `page`.json.

    Args:
        page: Name of the page.
        cases: The table's lines.
        given: The command line.
        recipe: Returns the recipe of a case, a seed and a number of epochs (None: its own).
    """
    file = given.out / "quick.json" if given.quick else DOCUMENTS / f"{page}.json"
    known: dict[str, Any] = json.loads(file.read_text()) if file.exists() else {"runs": {}}
    for seed, case in itertools.product(given.seeds, cases):
        if not any(part in case.name for part in given.only):
            continue
        wanted = recipe(case, seed, given.epochs)
        result = trained(given.out, f"{case.name}-{wanted['train']['epochs']}-{seed}", wanted)
        known["runs"].setdefault(case.name, {})[str(seed)] = result
        known["versions"] = {library: version(library) for library in LIBRARIES}
        file.write_text(_lines(known))
    return {
        case.name: {int(seed): result for seed, result in sorted(known["runs"][case.name].items())}
        for case in cases
        if case.name in known["runs"]
    }


def over_seeds(runs: Mapping[int, Mapping[str, Any]], metric: str) -> str:
    """Return the mean of a test value over seeds, with the least and the most where there are several."""
    values = [run["test"][metric]["value"] for run in runs.values()]
    defined = [value for value in values if value is not None]
    if not defined:
        return "–"
    spread = f" ({min(defined):.3f}–{max(defined):.3f})" if len(defined) > 1 else ""
    return f"{statistics.mean(defined):.3f}{spread}"


def interval(runs: Mapping[int, Mapping[str, Any]], metric: str) -> str:
    """Return the 95 % interval over test images of the first seed."""
    value = runs[min(runs)]["test"][metric]
    return "–" if value["low"] is None else f"{value['low']:.3f}–{value['high']:.3f}"


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> Iterator[str]:
    """Yield the lines of a table."""
    yield f"| {' | '.join(head)} |"
    yield "|---" * len(head) + "|"
    for row in rows:
        yield f"| {' | '.join(row)} |"


def write_page(page: str, text: str) -> None:
    """Put a text between the marks of a page, whose other words are written by hand."""
    file = DOCUMENTS / f"{page}.md"
    begin, _, rest = file.read_text().partition("<!-- table -->")
    _, _, end = rest.partition("<!-- /table -->")
    file.write_text(f"{begin}<!-- table -->\n{text}\n<!-- /table -->{end}")


def draw_curves(page: str, panels: Mapping[str, Mapping[str, Mapping[int, Mapping[str, Any]]]], *, metric: str) -> None:
    """Draw the value on validation over epochs: a panel each, with a line per case; pale lines are single seeds.

    Args:
        page: Name of the page; the picture is `page`.svg beside it.
        panels: Results by seed of each case, by the case's label, by the panel's title. Cases that begin from nothing
            have labels that end in `from scratch`, and are dashed.
        metric: What the value is called.
    """
    import matplotlib as mpl
    from matplotlib.figure import Figure
    from matplotlib.ticker import MaxNLocator

    mpl.rcParams["svg.hashsalt"] = page
    columns = min(3, len(panels))
    rows = -(-len(panels) // columns)
    figure = Figure(figsize=(4.2 * columns, 3.1 * rows), layout="constrained")
    axes = figure.subplots(rows, columns, squeeze=False).flatten()
    for place, (title, lines) in zip(axes, panels.items(), strict=False):
        for label, runs in lines.items():
            scratch = label.endswith("from scratch")
            style = {"color": "#c8641e", "linestyle": "--"} if scratch else {"color": "#1f4e79", "linestyle": "-"}
            curves = [[value or 0.0 for value in run["val"]] for run in runs.values()]
            epochs = range(1, min(map(len, curves)) + 1)
            for curve in curves if len(curves) > 1 else ():
                place.plot(range(1, len(curve) + 1), curve, **style, linewidth=0.8, alpha=0.35)
            place.plot(epochs, [statistics.mean(at) for at in zip(*curves, strict=False)], **style, label=label)
        place.set_title(title, fontsize=10)
        place.set_xlabel("epoch")
        place.set_ylabel(f"{metric} on validation")
        place.set_ylim(bottom=0)
        place.xaxis.set_major_locator(MaxNLocator(integer=True))
        place.legend(loc="lower right", frameon=False, fontsize=8)
        place.spines[["top", "right"]].set_visible(False)
    for place in axes[len(panels) :]:
        place.set_axis_off()
    figure.savefig(DOCUMENTS / f"{page}.svg", metadata={"Date": None})


def _lines(known: Mapping[str, Any]) -> str:
    """Return JSON with a line for each case."""
    cases = ",\n".join(f"{json.dumps(name)}: {json.dumps(runs)}" for name, runs in sorted(known["runs"].items()))
    return f'{{"versions": {json.dumps(known["versions"])},\n"runs": {{\n{cases}\n}}}}\n'


def _short(value: float | None) -> float | None:
    return None if value is None else round(value, 4)
