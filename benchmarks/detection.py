"""Average precision on real data, ImageNet against random weights at the same epochs: docs/results/detection.md.

Blood smears (BCCD, its own split). YOLO's trunk, for which no weights are at hand, learns from scratch as a control.
Needs `GRAFT_TEST_DATA`, the folder that holds `data/` and `weights/`, and for YOLO the plugin `graft-yolo`. The seed
changes weights, order and augmentation; the split stays.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from real_data import WEIGHTS, Case, draw_curves, gathered, interval, options, over_seeds, table, write_page

SEEDS = (0, 1, 2)
EPOCHS = 4
SIZE = 160
CLASSES = {"WBC": "white cells", "RBC": "red cells", "Platelets": "platelets"}
CASES = [
    *(Case(data="bccd", head=head, weights=start) for head in ("ssd", "faster-rcnn") for start in ("ImageNet", "none")),
    Case(data="bccd", head="ssd-fine", weights="ImageNet"),
    Case(data="bccd", head="yolo", weights="none"),
]
HEADS: dict[str, dict[str, Any]] = {
    "ssd": {"kind": "ssd"},
    "ssd-fine": {"kind": "ssd", "finest": 4},
    # Fewer proposals and channels than by default, with which a CPU takes minutes for an epoch.
    "faster-rcnn": {"kind": "faster-rcnn", "width": 128, "hidden": 256, "proposals": 100, "sampled": 64},
    "yolo": {"kind": "yolo"},
}


def recipe(case: Case, seed: int, epochs: int | None) -> dict[str, Any]:
    backbone = "yolo:yolo11n" if case.head == "yolo" else WEIGHTS.arch
    return {
        "task": "detection",
        "data": {"train": str(Path(os.environ["GRAFT_TEST_DATA"]) / "data/medical/bccd"), "reader": "voc"},
        "backbone": {"kind": backbone, "weights": WEIGHTS.name if case.weights == "ImageNet" else "none", "size": SIZE},
        "head": HEADS[case.head],
        "train": {"epochs": epochs or EPOCHS, "seed": seed},
    }


def text(results: Mapping[str, Mapping[int, Any]]) -> Iterator[str]:
    shown = [case for case in CASES if case.name in results]
    head = (
        "head",
        "backbone",
        "weights",
        "seeds",
        "mAP",
        "95 % interval, first seed",
        "AP50",
        "95 %, first seed",
        "AP75",
    )
    rows = []
    for case in shown:
        runs = results[case.name]
        measured = (over_seeds(runs, "map"), interval(runs, "map"), over_seeds(runs, "map50"), interval(runs, "map50"))
        backbone = "yolo11n's trunk" if case.head == "yolo" else "mobilenet_v2"
        rows.append((f"`{case.head}`", backbone, case.weights, str(len(runs)), *measured, over_seeds(runs, "map75")))
    yield from table(head, rows)
    yield from ("", "AP50 of each class, the mean over seeds, with the 95 % interval of the first:", "")
    classes = []
    for case in shown:
        runs = results[case.name]
        values = [
            f"{over_seeds(runs, f'map50.{name}').partition(' ')[0]} ({interval(runs, f'map50.{name}')})"
            for name in CLASSES
        ]
        classes.append((f"`{case.head}`", case.weights, *values))
    yield from table(("head", "weights", *CLASSES.values()), classes)


def panels(results: Mapping[str, Mapping[int, Any]]) -> dict[str, dict[str, Any]]:
    found: dict[str, dict[str, Any]] = {}
    for case in CASES:
        if case.name in results:
            label = "ImageNet weights" if case.weights == "ImageNet" else "from scratch"
            found.setdefault(case.head, {})[label] = results[case.name]
    return found


def main() -> None:
    given = options(__doc__.splitlines()[0], SEEDS)
    results = gathered("detection", CASES, given, recipe)
    written = "\n".join(text(results))
    print(written)
    if not given.quick:
        write_page("detection", written)
        draw_curves("detection", panels(results), metric="mAP")


if __name__ == "__main__":
    main()
