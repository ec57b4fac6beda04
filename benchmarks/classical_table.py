"""Test accuracy and time of the classical heads on real data, beside a linear head: docs/results/classical.md.

Needs `GRAFT_TEST_DATA`, the folder that holds `data/` and `weights/`. The split is drawn anew for each seed: most of
these heads draw nothing themselves. Finished runs are kept in `--out` and not made again.
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import statistics
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from transfer_table import DATA as TRANSFER
from transfer_table import SEEDS, WEIGHTS, Weights

DATA = {
    **TRANSFER,
    "ants and bees (hymenoptera, 2 classes)": {
        "train": "general/hymenoptera",
        "reader": {"kind": "folder"},
        "split": {"by": "stratified", "val": 0.15, "test": 0.35},
    },
}
NETWORKS = (
    WEIGHTS[0],
    Weights(
        name="mobilenet-imagenet",
        file="mobilenet_v2_tv_imagenet_fp16.pth",
        arch="torchvision:mobilenet_v2",
        mean=0.5,
        std=0.5,
        size=160,
        epochs=15,
    ),
)

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


def values(root: Path, data: str, weights: Weights, head: str, seed: int) -> dict[str, Any]:
    """Return the recipe of one run."""
    backbone: dict[str, Any] = {"kind": weights.arch, "size": weights.size, "weights": weights.name}
    if weights.upto:
        backbone["upto"] = weights.upto
    split = {**DATA[data]["split"], "seed": seed}
    by_steps = {"strategy": "fixed", "train": {"epochs": weights.epochs}} if HEADS[head] == "linear" else {}
    return {
        "task": "classification",
        "data": {**DATA[data], "train": str(root / "data" / DATA[data]["train"]), "split": split},
        "backbone": backbone,
        "head": HEADS[head],
        **by_steps,
    }


def results(root: Path, out: Path, data: str, weights: Weights, head: str, seed: int) -> dict[str, Any]:
    """Return the results of one run, made unless it has been."""
    import graft

    word = head.split(" (")[0].replace(", ", "-").replace(" ", "-")
    name = f"{data.split(' ')[0]}-{weights.network}-{word}-{seed}"
    if not (out / name / "results.json").exists():
        asked = values(root, data, weights, head, seed)
        graft.train(asked, out=out, name=name, console=graft.Console(quiet=True))
    return dict(json.loads((out / name / "results.json").read_text()))


def cell(runs: list[dict[str, Any]]) -> str:
    """Return mean, least and most over the splits, and half of a 95 % interval within one."""
    found = [run["metrics"]["test"]["accuracy"] for run in runs]
    accuracy = [one["value"] for one in found]
    half = statistics.median((one["high"] - one["low"]) / 2 for one in found)
    return f"{statistics.mean(accuracy):.3f} ({min(accuracy):.3f}–{max(accuracy):.3f}) ± {half:.3f}"


def table(root: Path, out: Path) -> Iterator[str]:
    columns = ["data", "head", *(f"{weights.network}: accuracy | seconds" for weights in NETWORKS)]
    yield f"| {' | '.join(columns)} |"
    yield "|---" * (2 + 2 * len(NETWORKS)) + "|"
    for data, head in itertools.product(DATA, HEADS):
        cells = [data, head]
        for weights in NETWORKS:
            runs = [results(root, out, data, weights, head, seed) for seed in SEEDS]
            cells += [cell(runs), f"{statistics.median(run['seconds'] for run in runs):.1f}"]
        yield f"| {' | '.join(cells)} |"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, required=True, help="folder for the runs")
    options = parser.parse_args()
    root = Path(os.environ["GRAFT_TEST_DATA"])
    os.environ.setdefault("GRAFT_HOME", str(options.out / "home"))
    for weights in NETWORKS:
        if not (Path(os.environ["GRAFT_HOME"]) / "weights" / weights.name).exists():
            weights.load(root / "weights")
    rows = "\n".join(table(root, options.out))
    before, _, rest = DOCUMENT.read_text("utf-8").partition("<!-- table -->")
    _, _, after = rest.partition("<!-- /table -->")
    DOCUMENT.write_text(f"{before}<!-- table -->\n{rows}\n<!-- /table -->{after}", "utf-8")


if __name__ == "__main__":
    main()
