"""What each way to rank backbones is worth: its order against that after fine-tuning: docs/results/rank.md.

Needs `GRAFT_TEST_DATA`, the folder that holds `data/` and `weights/`. Candidates differ in network, weights and input
size; each is ranked, then trained by the default recipe for some epochs. Ranking never looks at the test images.
Finished runs are kept in `--out` and not trained again.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from scipy.stats import kendalltau

SEEDS = (0, 1)
EPOCHS = 10
DOCUMENT = Path(__file__).parent.parent / "docs" / "results" / "rank.md"

WEIGHTS: dict[str, dict[str, Any]] = {
    "mobilenet": {"file": "mobilenet_v2_tv_imagenet_fp16.pth", "arch": "torchvision:mobilenet_v2"},
    "shufflenet": {
        "file": "shufflenet_v2_x0_5_tv_backbone_rgb.pth",
        "arch": "torchvision:shufflenet_v2_x0_5",
        "upto": "stage4",
        "preprocess": {"mean": (0.0, 0.0, 0.0), "std": (1.0, 1.0, 1.0)},
    },
}
CANDIDATES = (
    ("mobilenet", 160),
    ("mobilenet", 96),
    ("shufflenet", 160),
    ("shufflenet", 96),
    ("tiny", 96),
    ("torchvision:mobilenet_v2@none", 96),
    ("torchvision:shufflenet_v2_x0_5@none", 96),
    ("tiny@none", 96),
)
DATA: dict[str, dict[str, Any]] = {
    "rsscn7 (satellite scenes, 7 classes)": {
        "train": "satellite/rsscn7",
        "reader": {"kind": "folder", "class_level": 2},
        "split": {"by": "stratified", "val": 0.15, "test": 0.35},
    },
    "wbc1 (white blood cells, 5 classes)": {
        "train": "medical/wbc1/labels.csv",
        "reader": {"kind": "csv", "path": "image", "label": "class", "root": "images"},
        "split": {"by": "stratified", "val": 0.15, "test": 0.35},
    },
}
ORDERS = {
    "linear probe": "probe",
    "LogME": "logme",
    "N-LEEP": "nleep",
    "H-score": "hscore",
    "parameters (never looks)": "parameters",
    "operations (never looks)": "flops",
}


def measured(root: Path, out: Path, data: str) -> Iterator[dict[str, Any]]:
    """Yield what is known of each candidate before training, and its test accuracy after it."""
    import graft
    from graft.console import Console
    from graft.features.candidates import named
    from graft.features.images import images_of
    from graft.features.rank import rank
    from graft.plugins import load_plugins
    from graft.recipe import load_recipe

    plugins, console = load_plugins(), Console()
    section = {**DATA[data], "train": str(root / "data" / DATA[data]["train"])}
    chosen = [named([word], plugins=plugins, size=size)[0] for word, size in CANDIDATES]
    resolved = load_recipe(None, base={"task": "classification", "data": section}, plugins=plugins)
    images = images_of(resolved, limit=None, plugins=plugins, console=console)
    for row in rank(chosen, images, plugins=plugins, console=console).rows:
        backbone = row.candidate.section.model_dump(exclude_none=True)
        accuracies = []
        for seed in SEEDS:
            name = "-".join(
                [data.split(" ")[0], *(str(backbone[key]) for key in ("kind", "weights", "size")), str(seed)]
            )
            name = name.replace(":", "-")
            if not (out / name / "results.json").exists():
                recipe = {"task": "classification", "data": section, "backbone": backbone}
                graft.train({**recipe, "train": {"epochs": EPOCHS, "seed": seed}}, out=out, name=name)
            results = json.loads((out / name / "results.json").read_text())
            accuracies.append(results["metrics"]["test"]["accuracy"]["value"])
        yield {
            "name": f"{row.candidate.name.partition(':')[2]}, {row.size[0]} px",
            "tuned": statistics.mean(accuracies),
            "spread": f"{min(accuracies):.3f}–{max(accuracies):.3f}",
            "probe": row.probe.accuracy.value,
            "interval": f"{row.probe.accuracy.low:.3f}–{row.probe.accuracy.high:.3f}",
            "logme": row.scores.logme,
            "leep": row.scores.leep,
            "nleep": row.scores.nleep,
            "hscore": row.scores.hscore,
            "parameters": row.costs.parameters,
            "flops": row.costs.flops,
        }


def table(rows: list[dict[str, Any]]) -> Iterator[str]:
    heads = ["candidate", f"fine-tuned, mean of {len(SEEDS)} seeds", "probe, 95 % interval"]
    heads += ["LogME", "LEEP", "N-LEEP", "H-score", "parameters"]
    yield f"| {' | '.join(heads)} |"
    yield "|---" * len(heads) + "|"
    for row in sorted(rows, key=lambda row: -row["tuned"]):
        leep = "–" if row["leep"] is None else f"{row['leep']:.3f}"
        cells = (
            row["name"],
            f"{row['tuned']:.3f} ({row['spread']})",
            f"{row['probe']:.3f} ({row['interval']})",
            f"{row['logme']:.3f}",
            leep,
            f"{row['nleep']:.3f}",
            f"{row['hscore']:.2f}",
            f"{row['parameters'] / 1e6:.2f} M",
        )
        yield f"| {' | '.join(cells)} |"


def worth(tables: dict[str, list[dict[str, Any]]]) -> Iterator[str]:
    """Yield how far each order agrees with that after fine-tuning, and what its first choice reaches."""
    heads = [f"{data.split(' ')[0]}: {what}" for data in tables for what in ("Kendall τ", "its first choice reaches")]
    yield f"| order by | {' | '.join(heads)} |"
    yield "|---" * (1 + len(heads)) + "|"
    for name, key in ORDERS.items():
        cells = [name]
        for rows in tables.values():
            tau = kendalltau([row[key] for row in rows], [row["tuned"] for row in rows]).statistic
            first = max(rows, key=lambda row: row[key])
            cells += [f"{tau:+.2f}", f"{first['tuned']:.3f} of {max(row['tuned'] for row in rows):.3f}"]
        yield f"| {' | '.join(cells)} |"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, required=True, help="folder for the runs")
    options = parser.parse_args()
    root = Path(os.environ["GRAFT_TEST_DATA"])
    os.environ.setdefault("GRAFT_HOME", str(options.out / "home"))

    from graft.backbones import store
    from graft.backbones.importing import import_weights
    from graft.plugins import load_plugins

    for name, about in WEIGHTS.items():
        if name not in {stored.name for stored in store.listed()}:
            rest = {key: value for key, value in about.items() if key != "file"}
            import_weights(root / "weights" / about["file"], name=name, plugins=load_plugins(), **rest)
    tables = {data: list(measured(root, options.out, data)) for data in DATA}
    parts = [line for data, rows in tables.items() for line in (f"### {data}", "", *table(rows), "")]
    pretrained = {data: [row for row in rows if "@none" not in row["name"]] for data, rows in tables.items()}
    between = ["", "Among those with pretrained weights alone:", "", *worth(pretrained), ""]
    text = "\n".join([*worth(tables), *between, *parts]).rstrip()
    print(text)
    begin, _, rest = DOCUMENT.read_text().partition("<!-- table -->")
    _, _, end = rest.partition("<!-- /table -->")
    DOCUMENT.write_text(f"{begin}<!-- table -->\n{text}\n<!-- /table -->{end}")


if __name__ == "__main__":
    main()
