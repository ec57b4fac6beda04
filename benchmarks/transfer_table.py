"""Test accuracy on real data, pretrained against random weights, `fixed` and `full`: docs/results/classification.md.

Needs `GRAFT_TEST_DATA`, the folder that holds `data/` and `weights/`. The seed changes weights, order and augmentation;
the split stays. Finished runs are kept in `--out` and not trained again, so the table can be made in several sittings.
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import statistics
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

SEEDS = (0, 1, 2)
STRATEGIES = ("fixed", "full")
DOCUMENT = Path(__file__).parent.parent / "docs" / "results" / "classification.md"


@dataclass(frozen=True, kw_only=True)
class Weights:
    """A file of ImageNet weights, and how it is used here."""

    name: str
    file: str
    arch: str
    mean: float
    std: float
    size: int
    epochs: int
    upto: str = ""

    @property
    def network(self) -> str:
        """The architecture without its source."""
        return self.arch.partition(":")[2]

    def load(self, folder: Path) -> None:
        """Import the file into `$GRAFT_HOME` as a user would."""
        graft = Path(sys.executable).with_name("graft")
        values = [("--mean", self.mean), ("--std", self.std), ("--size", self.size), ("--upto", self.upto)]
        options = [str(part) for pair in values if pair[1] != "" for part in pair]
        command = [graft, "backbones", "import", folder / self.file, "--name", self.name, "--arch", self.arch, *options]
        subprocess.run(command, check=True)


WEIGHTS = (
    Weights(
        name="shufflenet-imagenet",
        file="shufflenet_v2_x0_5_tv_backbone_rgb.pth",
        arch="torchvision:shufflenet_v2_x0_5",
        upto="stage4",
        mean=0.0,
        std=1.0,
        size=160,
        epochs=15,
    ),
)

DATA: dict[str, dict[str, Any]] = {
    "satellite scenes (rsscn7, 7 classes)": {
        "train": "satellite/rsscn7",
        "reader": {"kind": "folder", "class_level": 2},
        "split": {"by": "stratified", "val": 0.15, "test": 0.35},
    },
    "white blood cells (wbc1, 5 classes, one of a single image)": {
        "train": "medical/wbc1/labels.csv",
        "reader": {"kind": "csv", "path": "image", "label": "class", "root": "images"},
        "split": {"by": "stratified", "val": 0.15, "test": 0.35},
    },
}


def recipe(root: Path, data: str, weights: Weights, strategy: str, pretrained: bool, seed: int) -> dict[str, Any]:
    backbone: dict[str, Any] = {"kind": weights.arch, "size": weights.size}
    backbone["weights"] = weights.name if pretrained else "none"
    if weights.upto:
        backbone["upto"] = weights.upto
    return {
        "task": "classification",
        "data": {**DATA[data], "train": str(root / "data" / DATA[data]["train"])},
        "backbone": backbone,
        "strategy": {"preset": strategy},
        "train": {"epochs": weights.epochs, "seed": seed},
    }


def results(root: Path, out: Path) -> Iterator[tuple[tuple[Any, ...], dict[str, Any]]]:
    import graft

    for weights, data, strategy, pretrained, seed in itertools.product(WEIGHTS, DATA, STRATEGIES, (True, False), SEEDS):
        name = f"{weights.name}-{data.split(' ')[0]}-{strategy}-{'pretrained' if pretrained else 'none'}-{seed}"
        if not (out / name / "results.json").exists():
            graft.train(recipe(root, data, weights, strategy, pretrained, seed), out=out, name=name)
        yield (weights, data, strategy, pretrained), json.loads((out / name / "results.json").read_text())


def table(measured: dict[tuple[Any, ...], list[dict[str, Any]]]) -> Iterator[str]:
    columns = ("data", "backbone", "strategy", "weights", "accuracy, mean of 3 seeds", "95 % interval, seed 0")
    columns += ("balanced accuracy",)
    yield f"| {' | '.join(columns)} |"
    yield "|---" * len(columns) + "|"
    for (weights, data, strategy, pretrained), runs in measured.items():
        test = [run["metrics"]["test"] for run in runs]
        accuracy = [values["accuracy"]["value"] for values in test]
        balanced = statistics.mean(values["balanced_accuracy"]["value"] for values in test)
        first = test[0]["accuracy"]
        cells = (
            data,
            f"{weights.network}, {weights.size} px, {weights.epochs} epochs",
            strategy,
            "ImageNet" if pretrained else "none",
            f"{statistics.mean(accuracy):.3f} ({min(accuracy):.3f}–{max(accuracy):.3f})",
            f"{first['low']:.3f}–{first['high']:.3f}",
            f"{balanced:.3f}",
        )
        yield f"| {' | '.join(cells)} |"


def gains(measured: dict[tuple[Any, ...], list[dict[str, Any]]]) -> Iterator[str]:
    for (weights, data, strategy, pretrained), runs in measured.items():
        if not pretrained:
            continue
        other = measured[weights, data, strategy, False]
        with_, without = (
            statistics.mean(run["metrics"]["test"]["accuracy"]["value"] for run in side) for side in (runs, other)
        )
        yield f"- {data.split(' (')[0]}, {weights.network}, `{strategy}`: {100 * (with_ - without):+.1f} points"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, required=True, help="folder for the runs")
    options = parser.parse_args()
    root = Path(os.environ["GRAFT_TEST_DATA"])
    os.environ.setdefault("GRAFT_HOME", str(options.out / "home"))

    for weights in WEIGHTS:
        if not (Path(os.environ["GRAFT_HOME"]) / "weights" / weights.name).exists():
            weights.load(root / "weights")
    measured: dict[tuple[Any, ...], list[dict[str, Any]]] = {}
    for key, result in results(root, options.out):
        measured.setdefault(key, []).append(result)

    text = "\n".join(
        [*table(measured), "", "What the pretrained weights add, in points of test accuracy:", "", *gains(measured)]
    )
    print(text)
    begin, _, rest = DOCUMENT.read_text().partition("<!-- table -->")
    _, _, end = rest.partition("<!-- /table -->")
    DOCUMENT.write_text(f"{begin}<!-- table -->\n{text}\n<!-- /table -->{end}")


if __name__ == "__main__":
    main()
