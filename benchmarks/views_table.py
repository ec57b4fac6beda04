"""Test accuracy and time by `cache.views`, on real data: docs/results/views.md.

Needs `GRAFT_TEST_DATA`. The data, the divisions and the network are those of `strategy_table.py`, with all labels. The
cache is emptied before each run. Finished runs are kept in `--out` and not trained again.
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import statistics
from pathlib import Path
from typing import Any

from strategy_table import ALL, LABELS, SEEDS, SIZE, write_table
from transfer_table import WEIGHTS

VIEWS = (0, 1, 2, 4, 8)
PRESETS = ("fixed", "partial")
EPOCHS = 15


def cell(root: Path, out: Path, data: str, preset: str, views: int, seed: int) -> dict[str, Any]:
    """Return the results of one run, trained unless it has been."""
    import graft
    from graft.features import cache

    name = f"{data}-{preset}-views{views}-{seed}"
    if not (out / name / "results.json").exists():
        table = out / f"{data}-{seed}.csv"
        write_table(table, root, data, ALL, seed)
        weights = WEIGHTS[0]
        cache.clear()
        recipe = {
            "task": "classification",
            "data": {"train": str(table), "split": {"by": "given"}},
            "backbone": {"kind": weights.arch, "weights": weights.name, "upto": weights.upto, "size": SIZE},
            "strategy": {"preset": preset},
            "train": {"epochs": EPOCHS, "seed": seed},
            "cache": {"views": views},
            "evaluation": {"bootstrap": 0},
        }
        graft.train(recipe, out=out, name=name, console=graft.Console(quiet=True))
    return dict(json.loads((out / name / "results.json").read_text()))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, required=True, help="folder for the runs")
    parser.add_argument("--seeds", nargs="+", type=int, default=SEEDS)
    options = parser.parse_args()
    root = Path(os.environ["GRAFT_TEST_DATA"])
    os.environ.setdefault("GRAFT_HOME", str(options.out / "home"))
    options.out.mkdir(parents=True, exist_ok=True)
    for weights in WEIGHTS[:1]:
        if not (Path(os.environ["GRAFT_HOME"]) / "weights" / weights.name).exists():
            weights.load(root / "weights")
    found: dict[tuple[str, str, int], list[dict[str, Any]]] = {}
    for seed, data, preset, views in itertools.product(options.seeds, LABELS, PRESETS, VIEWS):
        found.setdefault((data, preset, views), []).append(cell(root, options.out, data, preset, views, seed))
    columns = list(itertools.product(LABELS, PRESETS))
    print(f"| views | {' | '.join(f'{data}, `{preset}`' for data, preset in columns)} |")
    print("|---" * (len(columns) + 1) + "|")
    for views in VIEWS:
        cells = []
        for data, preset in columns:
            runs = found[data, preset, views]
            values = [run["metrics"]["test"]["balanced_accuracy"]["value"] for run in runs]
            seconds = statistics.median(run["seconds"] for run in runs)
            cells.append(f"{statistics.mean(values):.3f} ({min(values):.3f}–{max(values):.3f}), {seconds:.1f} s")
        print(f"| {views or 'new ones'} | {' | '.join(cells)} |")


if __name__ == "__main__":
    main()
