"""What the tables of pretraining share: labelled photographs, how they are divided, and what a network is worth.

A seed draws the split, which images are labelled, random weights and order; every arm of a seed sees the same images.
"""

from __future__ import annotations

import csv
import random
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

ALL = 10_000
LABELS: Mapping[str, Sequence[int]] = {
    "rsscn7": (10, ALL),
    "gtsrb": (ALL,),
    "wbc1": (10, 40, ALL),
    "hymenoptera": (10, 40, ALL),
    "grocery": (10, ALL),
}
"""Labelled images per class, at most. Of `gtsrb` two of five tracks are trained on, 8 images of each class; `rsscn7`
has 30 of each class to train on, `grocery` 8 to 19."""
HELD_OUT = (0.35, 0.15)
"""Shares of each class's groups for test and validation; the rest is trained on."""
REGULARISATION = (0.001, 0.01, 0.1, 1.0)


@dataclass(frozen=True)
class Labelled:
    """An image, its class, and what it belongs to."""

    path: Path
    label: str
    group: str


Splits = Mapping[str, Sequence[Labelled]]


def images(root: Path, name: str) -> list[Labelled]:
    """Return the images of a data set below `GRAFT_TEST_DATA`, in a fixed order."""
    data = root / "data"
    if name == "wbc1":
        folder = data / "medical/wbc1"
        with (folder / "labels.csv").open(newline="") as file:
            rows = [(folder / "images" / row["image"], row["class"]) for row in csv.DictReader(file)]
        # A class of a single image can be trained on or tested on, not both.
        return [Labelled(path, label, path.name) for path, label in sorted(rows) if label != "basophil"]
    if name == "gtsrb":  # frames of one track show one sign
        found = sorted((data / "driving/gtsrb").glob("*/*.png"))
        return [Labelled(path, path.parent.name, path.name.partition("_")[0]) for path in found]
    place, pattern = {
        "rsscn7": ("satellite/rsscn7", "*/*/*"),
        "hymenoptera": ("general/hymenoptera", "*/*/*"),
        "grocery": ("general/grocery_packages", "t*/*/*"),
    }[name]
    return [Labelled(path, path.parent.name, path.name) for path in sorted((data / place).glob(pattern))]


def divided(found: Sequence[Labelled], *, seed: int, labels: int) -> Splits:
    """Return train, val and test; fewer labels are a part of more, and what is held out is the same for all."""
    groups: dict[str, dict[str, list[Labelled]]] = defaultdict(lambda: defaultdict(list))
    for one in found:
        groups[one.label][one.group].append(one)
    splits: dict[str, list[Labelled]] = {"train": [], "val": [], "test": []}
    for label, members in sorted(groups.items()):
        names = sorted(members)
        random.Random(f"{seed} {label}").shuffle(names)
        test, val = (max(1, round(share * len(names))) for share in HELD_OUT)
        parts = {"test": names[:test], "val": names[test : test + val], "train": names[test + val :]}
        for split, chosen in parts.items():
            of_split = [one for name in chosen for one in members[name]]
            splits[split] += of_split[:labels] if split == "train" else of_split
    return splits


def probe(features: Mapping[Path, np.ndarray], splits: Splits) -> float:
    """Return the test accuracy of logistic regression on frozen features; validation chooses its regularisation."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    rows = {split: np.stack([features[one.path] for one in some]) for split, some in splits.items()}
    labels = {split: [one.label for one in some] for split, some in splits.items()}
    tried = []
    for c in REGULARISATION:
        model = make_pipeline(StandardScaler(), LogisticRegression(C=c, max_iter=300))
        model.fit(rows["train"], labels["train"])
        tried.append((model.score(rows["val"], labels["val"]), -c, model.score(rows["test"], labels["test"])))
    return float(max(tried)[2])


def described(found: Sequence[Labelled], backbone: Mapping[str, Any]) -> dict[Path, np.ndarray]:
    """Return the embedding of each image by a network, as a recipe's `backbone` says it."""
    from graft.features import DeepFeatures

    given = {key: value for key, value in backbone.items() if key != "kind"}
    network = DeepFeatures(backbone["kind"], **given, cache=False, batch=64)
    paths = [one.path for one in found]
    return dict(zip(paths, network.fit_transform(paths), strict=True))


def tuned(out: Path, name: str, splits: Splits, backbone: Mapping[str, Any], *, seed: int, epochs: int) -> float:
    """Return the test accuracy after training all layers at one rate, unless that run is there already."""
    import graft

    if (out / name / "status.json").exists() and not (out / name / "results.json").exists():
        graft.resume(out / name)
    if not (out / name / "results.json").exists():
        table = out / f"{name}.csv"
        with table.open("w", newline="") as file:
            rows = [(one.path, one.label, split) for split, some in splits.items() for one in some]
            csv.writer(file).writerows([("path", "label", "split"), *rows])
        recipe = {
            "task": "classification",
            "data": {"train": str(table), "split": {"by": "given"}},
            "backbone": dict(backbone),
            # One rate for all: random weights have nothing that a fast head could spoil.
            "strategy": {"preset": "full", "pace": {"lr": 1e-3, "head": 1.0}},
            "train": {"epochs": epochs, "seed": seed},
            "speed": {"channels_last": True},
            "evaluation": {"bootstrap": 0},
        }
        graft.train(recipe, out=out, name=name, console=graft.Console(quiet=True))
        table.unlink()
    return float(graft.Run.open(out / name).results["metrics"]["test"]["accuracy"]["value"])
