"""Test accuracy on real data, preset × labels per class: docs/results/strategies.md.

Needs `GRAFT_TEST_DATA`, the folder that holds `data/` and `weights/`. A seed changes which images are labelled, the
head's weights, order and augmentation; validation and test stay. Fewer labels are a part of more labels. Finished runs
are kept in `--out` and not trained again, so the table can be made in several sittings.
"""

from __future__ import annotations

import argparse
import csv
import itertools
import json
import os
import random
import statistics
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from transfer_table import WEIGHTS

SEEDS = (0, 1, 2)
PRESETS = ("fixed", "partial", "lp-ft", "gradual", "discriminative", "surgical", "full", "auto")
ALL = 10_000
LABELS = {"rsscn7": (10, 25, ALL), "wbc1": (10, 25, ALL), "hymenoptera": (25, 100, ALL)}
"""Labels per class, at most: `rsscn7` has 60 images of each class in all, `wbc1` 22 to 176, `hymenoptera` 194, 204."""
HELD_OUT = {"rsscn7": (7, 20), "wbc1": (0.15, 0.35), "hymenoptera": (15, 60)}
"""Images per class for validation and for test, or shares of each class."""
SIZE, EPOCHS = 112, 15


def images(root: Path, data: str) -> dict[str, list[Path]]:
    """Return the images of each class, in a fixed random order."""
    found: dict[str, list[Path]] = defaultdict(list)
    folders = {"rsscn7": "satellite/rsscn7", "hymenoptera": "general/hymenoptera"}
    if data in folders:
        for path in sorted((root / "data" / folders[data]).glob("*/*/*")):
            found[path.parent.name].append(path)
    else:
        folder = root / "data/medical/wbc1"
        with (folder / "labels.csv").open(newline="") as file:
            for row in csv.DictReader(file):
                found[row["class"]].append(folder / "images" / row["image"])
    for name, paths in found.items():
        random.Random(name).shuffle(paths)
    # A class of a single image (wbc1's basophil) can be trained on or tested on, not both.
    return {name: paths for name, paths in found.items() if len(paths) > 1}


def write_table(path: Path, root: Path, data: str, labels: int, seed: int) -> None:
    """Write a csv for Graft: the same validation and test each time, and up to `labels` of the rest to train on."""
    rows = []
    for name, paths in sorted(images(root, data).items()):
        val, test = (round(part * len(paths)) if part < 1 else int(part) for part in HELD_OUT[data])
        rest = paths[val + test :]
        random.Random(seed).shuffle(rest)
        rows += [(image, name, "test") for image in paths[:test]]
        rows += [(image, name, "val") for image in paths[test : test + val]]
        rows += [(image, name, "train") for image in rest[:labels]]
    with path.open("w", newline="") as file:
        csv.writer(file).writerows([("path", "label", "split"), *rows])


def cell(root: Path, out: Path, data: str, preset: str, labels: int, seed: int) -> dict[str, Any]:
    """Return the results of one run, trained unless it has been."""
    import graft

    labels_name = "all" if labels == ALL else str(labels)
    name = f"{data}-{labels_name}-{preset}-{seed}"
    if not (out / name / "results.json").exists():
        table = out / f"{data}-{labels_name}-{seed}.csv"
        write_table(table, root, data, labels, seed)
        weights = WEIGHTS[0]
        recipe = {
            "task": "classification",
            "data": {"train": str(table), "split": {"by": "given"}},
            "backbone": {"kind": weights.arch, "weights": weights.name, "upto": weights.upto, "size": SIZE},
            "strategy": {"preset": preset},
            "train": {"epochs": EPOCHS, "seed": seed},
            "evaluation": {"bootstrap": 0},
        }
        graft.train(recipe, out=out, name=name)
    results: dict[str, Any] = json.loads((out / name / "results.json").read_text())
    results["choices"] = json.loads((out / name / "choices.json").read_text())
    return results


def lines(measured: dict[tuple[str, str, int], list[dict[str, Any]]]) -> Iterator[str]:
    columns = [(data, labels) for data, sizes in LABELS.items() for labels in sizes]
    heads = [f"{data}, {'all' if labels == ALL else f'≤ {labels}'} per class" for data, labels in columns]
    yield f"| preset | {' | '.join(heads)} |"
    yield "|---" * (len(columns) + 1) + "|"
    means = {key: statistics.mean(accuracy(run) for run in runs) for key, runs in measured.items()}
    best = {
        (data, labels): max(means.get((data, preset, labels), 0.0) for preset in PRESETS) for data, labels in columns
    }
    for preset in PRESETS:
        cells = []
        for data, labels in columns:
            values = [accuracy(run) for run in measured.get((data, preset, labels), ())]
            if not values:
                cells.append("–")
                continue
            mark = "**" if means[data, preset, labels] == best[data, labels] else ""
            cells.append(f"{mark}{statistics.mean(values):.3f}{mark} ({min(values):.3f}–{max(values):.3f})")
        yield f"| `{preset}` | {' | '.join(cells)} |"
    yield ""
    for (data, preset, labels), runs in measured.items():
        if preset == "auto":
            behind = 100 * (best[data, labels] - means[data, preset, labels])
            where = f"{data}, {'all' if labels == ALL else labels}"
            yield f"- {where}: {runs[0]['choices'][0]}; {behind:.1f} points behind the best"


def accuracy(run: dict[str, Any]) -> float:
    return float(run["metrics"]["test"]["balanced_accuracy"]["value"])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, required=True, help="folder for the runs")
    parser.add_argument("--data", choices=[*LABELS], action="append", help="only this data set")
    parser.add_argument("--presets", nargs="+", default=PRESETS, help="only these presets")
    parser.add_argument("--seeds", nargs="+", type=int, default=SEEDS, help="only these seeds")
    options = parser.parse_args()
    root = Path(os.environ["GRAFT_TEST_DATA"])
    os.environ.setdefault("GRAFT_HOME", str(options.out / "home"))
    options.out.mkdir(parents=True, exist_ok=True)
    for weights in WEIGHTS:
        if not (Path(os.environ["GRAFT_HOME"]) / "weights" / weights.name).exists():
            weights.load(root / "weights")
    measured: dict[tuple[str, str, int], list[dict[str, Any]]] = {}
    for seed, data in itertools.product(options.seeds, options.data or LABELS):
        for labels, preset in itertools.product(LABELS[data], options.presets):
            measured.setdefault((data, preset, labels), []).append(cell(root, options.out, data, preset, labels, seed))
    print("\n".join(lines(measured)))


if __name__ == "__main__":
    main()
