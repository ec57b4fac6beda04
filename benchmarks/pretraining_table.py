"""What the weights that Graft ships are worth, against random ones and ImageNet's: docs/results/pretraining.md.

A linear probe on frozen features, and fine-tuning of all layers, by labels per class, on five sets of photographs; a
segmentation and a detection. Then `graft pretrain` on a target's images without their labels, from ImageNet weights:
the probe before and after. Needs `GRAFT_TEST_DATA`. What has been measured stands in the JSON file and is not measured
again.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pretraining_ablation as ablation
import pretraining_dense as dense
from pretraining_sets import ALL, LABELS, described, divided, images, probe, tuned
from real_data import DOCUMENTS, table, write_page
from real_data import WEIGHTS as MOBILENET
from transfer_table import WEIGHTS as SHUFFLENETS

SEEDS = (0, 1, 2)
PARTS = ("probe", "tuned", "dense", "target")
SIZE, EPOCHS = 96, 25
SHUFFLENET = SHUFFLENETS[0]
ARMS: Mapping[str, Mapping[str, Any]] = {
    "tiny, random": {"kind": "graft:tiny", "weights": "none"},
    "tiny": {"kind": "graft:tiny", "weights": "pretrained"},
    "small, random": {"kind": "graft-small:small", "weights": "none"},
    "small": {"kind": "graft-small:small", "weights": "pretrained"},
    "ShuffleNet, ImageNet": {"kind": SHUFFLENET.arch, "weights": SHUFFLENET.name, "upto": SHUFFLENET.upto},
    "MobileNet, ImageNet": {"kind": MOBILENET.arch, "weights": MOBILENET.name},
}
OWN_SIZE = {"ShuffleNet, ImageNet": SHUFFLENET.size, "MobileNet, ImageNet": MOBILENET.size}
"""The probe is the upper line where ImageNet's networks see images as they are used to; fine-tuning is at one size."""
TARGETS = ("rsscn7", "wbc1")
FILE = DOCUMENTS / "pretraining.json"


def random_weights(out: Path, arch: str, seed: int) -> str:
    """Write the weights that a network begins with, as a file, and return its name: probes of all sizes share them."""
    import torch
    from safetensors.torch import save_file

    from graft.backbones import build_backbone
    from graft.plugins import load_plugins
    from graft.recipe.schema import Backbone

    file = out / f"random-{arch.replace(':', '-')}-{seed}.safetensors"
    torch.manual_seed(seed)
    built = build_backbone(Backbone(kind=arch, weights="none"), plugins=load_plugins()).backbone
    save_file(built.state_dict(), file)
    return str(file)


def probed(root: Path, out: Path, arm: str, data: str) -> dict[str, list[float]]:
    """Return the probe's test accuracy by labels per class, of each seed."""
    backbone = {"size": OWN_SIZE.get(arm, SIZE), **ARMS[arm]}
    found = images(root, data)
    random = backbone["weights"] == "none"
    features = {} if random else described(found, backbone)
    scores: dict[str, list[float]] = {}
    for seed in SEEDS:
        if random:
            features = described(found, {**backbone, "weights": random_weights(out, backbone["kind"], seed)})
        for labels in LABELS[data]:
            value = probe(features, divided(found, seed=seed, labels=labels))
            scores.setdefault(str(labels), []).append(round(value, 4))
    return scores


def fine_tuned(root: Path, out: Path, arm: str, data: str, seed: int) -> dict[str, float]:
    """Return the test accuracy after fine-tuning by labels per class, of one seed."""
    found = images(root, data)
    scores = {}
    for labels in LABELS[data]:
        name = f"{arm.replace(', ', '-')}-{data}-{labels}-{seed}"
        splits = divided(found, seed=seed, labels=labels)
        scores[str(labels)] = round(tuned(out, name, splits, {"size": SIZE, **ARMS[arm]}, seed=seed, epochs=EPOCHS), 4)
    return scores


def adapted(root: Path, out: Path, data: str, seed: int) -> dict[str, float]:
    """Return the probe with all labels before and after pretraining on the images that are not held out for test."""
    import graft

    found = images(root, data)
    splits = divided(found, seed=seed, labels=ALL)
    backbone = {**ARMS["ShuffleNet, ImageNet"], "size": SIZE}
    name = f"target-{data}-{seed}"
    folder = out / f"{name}-images"
    folder.mkdir(exist_ok=True)
    for number, one in enumerate([*splits["train"], *splits["val"]]):
        link = folder / f"{number:04d}{one.path.suffix}"
        if not link.exists():
            link.symlink_to(one.path)
    if not (out / name / "results.json").exists():
        recipe = {
            "task": "pretraining",
            "data": {"train": str(folder), "split": {"val": 0.05, "test": 0}},
            "backbone": backbone,
            "strategy": {"pace": {"lr": 3e-4}},
            "train": {"epochs": 40, "batch": 64, "seed": seed},
            "speed": {"channels_last": True},
        }
        graft.train(recipe, out=out, name=name, console=graft.Console(quiet=True))
    after = {**backbone, "weights": str(out / name / "bundle" / "model.safetensors")}
    return {
        when: round(probe(described(found, given), splits), 4)
        for when, given in (("before", backbone), ("after", after))
    }


def measure(given: argparse.Namespace, root: Path) -> None:
    """Fill the file with what is asked for and not there yet."""
    work: list[tuple[str, str, Any]] = []
    if "probe" in given.parts:
        work += [
            (f"probe/{arm}/{data}", "", lambda arm=arm, data=data: probed(root, given.out, arm, data))
            for arm in given.only
            for data in given.data
        ]
    if "tuned" in given.parts:
        work += [
            (
                f"tuned/{arm}/{data}",
                str(seed),
                lambda arm=arm, data=data, seed=seed: fine_tuned(root, given.out, arm, data, seed),
            )
            for seed in given.seeds
            for arm in given.only
            for data in given.data
        ]
    if "dense" in given.parts:
        work += [
            (
                f"dense/{arm}/{data}",
                str(seed),
                lambda arm=arm, data=data, seed=seed: round(dense.measured(given.out, arm, ARMS[arm], data, seed), 4),
            )
            for seed in given.seeds
            for arm in given.only
            for data in dense.CELLS
        ]
    if "target" in given.parts:
        work += [
            (f"target/{data}", str(seed), lambda data=data, seed=seed: adapted(root, given.out, data, seed))
            for seed in given.seeds
            for data in TARGETS
        ]
    for key, seed, calculate in work:
        known = read()
        if key in known and (not seed or seed in known[key]):
            continue
        value = calculate()
        known = read()
        known[key] = {**known.get(key, {}), seed: value} if seed else value
        FILE.write_text(json.dumps(known, indent=0, sort_keys=True) + "\n")
        print(key, seed, value, flush=True)


def read() -> dict[str, Any]:
    """Return what has been measured."""
    return dict(json.loads(FILE.read_text())) if FILE.exists() else {}


def by_seed(known: Mapping[str, Any], part: str, arm: str, data: str, labels: int) -> list[float]:
    """Return the values of a cell, one of each seed."""
    cell = known.get(f"{part}/{arm}/{data}", {})
    if part == "probe":
        return list(cell.get(str(labels), ()))
    return [values[str(labels)] for _, values in sorted(cell.items())]


def lines(known: Mapping[str, Any], part: str) -> Iterator[str]:
    """Yield the table of the probe, or of fine-tuning, in per cent, and the gains below it."""
    arms = [arm for arm in ARMS if any(key.startswith(f"{part}/{arm}/") for key in known)]
    cells = [(data, labels) for data, some in LABELS.items() for labels in some]
    rows = []
    for data, labels in cells:
        values = [by_seed(known, part, arm, data, labels) for arm in arms]
        if not any(values):
            continue
        shown = (
            f"{100 * statistics.mean(v):.1f} ({100 * min(v):.0f}–{100 * max(v):.0f})" if v else "–" for v in values
        )
        rows.append((data, "all" if labels == ALL else str(labels), *shown))
    yield from table(("data", "labels per class", *arms), rows)
    yield ""
    for name in ("tiny", "small"):
        gains = {}
        for data, labels in cells:
            own, other = (by_seed(known, part, arm, data, labels) for arm in (name, f"{name}, random"))
            if own and other:
                gains[data, labels] = 100 * (statistics.mean(own) - statistics.mean(other))
        if gains:
            none = [f"{data} ({'all' if n == ALL else n})" for (data, n), gain in gains.items() if gain < 1]
            text = f"`{name}` over random: {statistics.mean(gains.values()):+.1f} points on average"
            yield from (text + (f"; less than one point on {', '.join(none)}" if none else ""), "")


def page(known: Mapping[str, Any]) -> Iterator[str]:
    """Yield the page's tables."""
    for part, title in (("probe", "Probe"), ("tuned", "Fine-tuning")):
        if any(key.startswith(f"{part}/") for key in known):
            yield from (f"## {title}", "", *lines(known, part))
    if any(key.startswith("dense/") for key in known):
        yield from ("## Segmentation and detection", "", *dense.lines(known, list(ARMS)), "")
    rows = []
    for data in TARGETS:
        if seeds := sorted(known.get(f"target/{data}", {}).items()):
            shown = (", ".join(f"{100 * values[when]:.1f}" for _, values in seeds) for when in ("before", "after"))
            rows.append((data, *shown))
    if rows:
        yield from ("## Target images without labels", "")
        yield from (*table(("data", "before, by seed", "after, by seed"), rows), "")
    yield from ("## Which images, which objective", "")
    yield from ablation.lines(json.loads(ablation.FILE.read_text()))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, required=True, help="folder for the runs; finished ones are not repeated")
    parser.add_argument("--parts", nargs="*", choices=PARTS, default=PARTS)
    parser.add_argument("--only", nargs="+", choices=ARMS, default=list(ARMS), help="only these networks")
    parser.add_argument("--data", nargs="+", choices=LABELS, default=list(LABELS), help="only these photographs")
    parser.add_argument("--seeds", nargs="+", type=int, default=SEEDS, help="of fine-tuning, and of targets")
    given = parser.parse_args()
    root = Path(os.environ["GRAFT_TEST_DATA"])
    given.out.mkdir(parents=True, exist_ok=True)
    os.environ.setdefault("GRAFT_HOME", str((given.out / "home").absolute()))
    for weights in (SHUFFLENET, MOBILENET):
        if not (Path(os.environ["GRAFT_HOME"]) / "weights" / weights.name).exists():
            weights.load(root / "weights")
    measure(given, root)
    write_page("pretraining", "\n".join(page(read())))


if __name__ == "__main__":
    main()
