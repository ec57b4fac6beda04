"""Which generated images, and which objective, make features worth having: a part of docs/results/pretraining.md.

Each arm pretrains the architecture of `graft:tiny` from nothing for the same short while, by `graft.train`; a linear
probe on its frozen features says what it has learnt. Needs `GRAFT_TEST_DATA`.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from pretraining_sets import ALL, LABELS, described, divided, images, probe
from real_data import DOCUMENTS, table

IMAGES, PIXELS = 3000, 72
EPOCHS = 25
SEEDS = (0, 1, 2)
KINDS = ("dead-leaves", "scenes", "textures", "gratings", "noise")
CAMERA = {"augment.blur": 1.0, "augment.grain": 0.06}
ARMS: Mapping[str, tuple[tuple[str, ...], Mapping[str, Any]]] = {
    **{kind: ((kind,), CAMERA) for kind in KINDS},
    "all five": (KINDS, CAMERA),
    "dead-leaves and scenes": (KINDS[:2], CAMERA),
    "dead-leaves, one camera": (KINDS[:1], {}),
    "dead-leaves, colours kept": (
        KINDS[:1],
        {**CAMERA, "augment.hue": 0.0, "augment.grey": 0.0, "augment.colour": 0.2},
    ),
    "dead-leaves, four times as long": (KINDS[:1], {**CAMERA, "train.epochs": 4 * EPOCHS}),
    "dead-leaves, vicreg": (KINDS[:1], {**CAMERA, "head.kind": "vicreg"}),
}
"""What each is pretrained on, and what its recipe says besides."""
FILE = DOCUMENTS / "pretraining-ablation.json"


def describe(folder: Path, kinds: tuple[str, ...]) -> Path:
    """Write the files that describe the generated images, of all kinds as many, and return their folder."""
    folder.mkdir(parents=True, exist_ok=True)
    for kind in kinds:
        text = f'kind = "{kind}"\ncount = {IMAGES // len(kinds)}\nsize = {PIXELS}\nseed = 0\n'
        (folder / f"{kind}.toml").write_text(text, encoding="utf-8")
    return folder


def pretrained(out: Path, arm: str, epochs: int) -> Path:
    """Return the weights of an arm, which is trained unless it is there."""
    import graft

    kinds, values = ARMS[arm]
    name = arm.replace(",", "").replace(" ", "-")
    if not (out / name / "results.json").exists():
        recipe = {
            "task": "pretraining",
            "data.train": str(describe(out / "images" / name, kinds)),
            "data.decoder": "generated",
            "data.split.val": 0.02,
            "data.split.test": 0.02,
            "backbone.kind": "graft:tiny",
            "backbone.weights": "none",
            "backbone.size": 48,
            "train.epochs": epochs,
            "train.precision": "bf16",
            "speed.channels_last": True,
            **values,
        }
        graft.train(recipe, out=out, name=name)
    return out / name / "bundle" / "model.safetensors"


def worth(root: Path, weights: str) -> dict[str, float]:
    """Return the probe's test accuracy on each data set with all labels, the mean over splits."""
    measured = {}
    for data in LABELS:
        found = images(root, data)
        features = described(found, {"kind": "graft:tiny", "weights": weights, "size": 96})
        scores = [probe(features, divided(found, seed=seed, labels=ALL)) for seed in SEEDS]
        measured[data] = round(statistics.mean(scores), 4)
    return measured


def lines(known: Mapping[str, Mapping[str, float]]) -> Iterator[str]:
    head = ("pretrained on", *LABELS, "mean")
    rows = [
        (name, *(f"{100 * values[data]:.1f}" for data in LABELS), f"{100 * statistics.mean(values.values()):.1f}")
        for name, values in known.items()
    ]
    yield from table(head, rows)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, required=True, help="folder for the runs; finished ones are not repeated")
    parser.add_argument("--only", nargs="+", choices=ARMS, default=list(ARMS), help="only these arms")
    parser.add_argument("--epochs", type=int, default=EPOCHS)
    given = parser.parse_args()
    root = Path(os.environ["GRAFT_TEST_DATA"])
    for arm in ("nothing", *given.only):
        known = json.loads(FILE.read_text()) if FILE.exists() else {}
        if arm not in known:
            weights = "none" if arm == "nothing" else str(pretrained(given.out, arm, given.epochs))
            known = {**(json.loads(FILE.read_text()) if FILE.exists() else {}), arm: worth(root, weights)}
            FILE.write_text(json.dumps(known, indent=1) + "\n")
        print(arm, known[arm], flush=True)
    print("\n".join(lines(known)))


if __name__ == "__main__":
    main()
