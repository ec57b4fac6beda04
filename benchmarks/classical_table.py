"""Test accuracy and time of the classical heads on real data, beside a linear head: docs/results/classical.md.

Needs `GRAFT_TEST_DATA`, the folder that holds `data/` and `weights/`. The split is drawn anew for each seed: most of
these heads draw nothing themselves. Finished runs are kept in `--out` and not made again.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from transfer_table import DATA, SEEDS, WEIGHTS, recipe

HEADS: dict[str, Any] = {
    "linear (by steps, `fixed`)": "linear",
    "logistic": "logistic",
    "linear-svm": "linear-svm",
    "svm": "svm",
    "knn": "knn",
    "forest": "forest",
    "boosting": "boosting",
    "fitted-mlp": "fitted-mlp",
    "ensemble, soft vote": {"kind": "ensemble"},
    "ensemble, stacking": {"kind": "ensemble", "vote": "stacking"},
}
DOCUMENT = Path(__file__).parent.parent / "docs" / "results" / "classical.md"


def values(root: Path, data: str, head: str, seed: int) -> dict[str, Any]:
    asked = recipe(root, data, WEIGHTS[0], "fixed", True, 0)
    asked["data"] = {**asked["data"], "split": {**asked["data"]["split"], "seed": seed}}
    asked["head"] = HEADS[head]
    asked["evaluation"] = {"bootstrap": 0}
    if HEADS[head] != "linear":
        asked["train"] = {"seed": 0}
    return asked


def table(root: Path, out: Path) -> Iterator[str]:
    import graft

    columns = ("data", "head", "accuracy, mean of 3 splits", "balanced accuracy", "log loss on val", "seconds")
    yield f"| {' | '.join(columns)} |"
    yield "|---" * len(columns) + "|"
    for data in DATA:
        for head in HEADS:
            runs = []
            for seed in SEEDS:
                name = f"{data.split(' ')[0]}-{head.split(' (')[0].replace(', ', '-').replace(' ', '-')}-{seed}"
                if not (out / name / "results.json").exists():
                    graft.train(values(root, data, head, seed), out=out, name=name)
                history = (out / name / "metrics.jsonl").read_text().splitlines()
                results = json.loads((out / name / "results.json").read_text())
                runs.append((results, json.loads(history[results["best_epoch"] - 1])["val.loss"]))
            accuracy = [run["metrics"]["test"]["accuracy"]["value"] for run, _ in runs]
            balanced = statistics.mean(run["metrics"]["test"]["balanced_accuracy"]["value"] for run, _ in runs)
            cells = (
                data,
                head,
                f"{statistics.mean(accuracy):.3f} ({min(accuracy):.3f}–{max(accuracy):.3f})",
                f"{balanced:.3f}",
                f"{statistics.mean(loss for _, loss in runs):.2f}",
                f"{statistics.median(run['seconds'] for run, _ in runs):.0f}",
            )
            yield f"| {' | '.join(cells)} |"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, required=True, help="folder for the runs")
    options = parser.parse_args()
    root = Path(os.environ["GRAFT_TEST_DATA"])
    os.environ.setdefault("GRAFT_HOME", str(options.out / "home"))
    if not (Path(os.environ["GRAFT_HOME"]) / "weights" / WEIGHTS[0].name).exists():
        WEIGHTS[0].load(root / "weights")
    rows = "\n".join(table(root, options.out))
    before, _, rest = DOCUMENT.read_text("utf-8").partition("<!-- table -->")
    _, _, after = rest.partition("<!-- /table -->")
    DOCUMENT.write_text(f"{before}<!-- table -->\n{rows}\n<!-- /table -->{after}", "utf-8")


if __name__ == "__main__":
    main()
