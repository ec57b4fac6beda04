"""Does a domain's preset beat the plain task's default, on real data: docs/results/domains-<name>.json and domains.md.

Needs `GRAFT_TEST_DATA`, the folder that holds `data/` and `weights/`. Every cell is trained in several arms, from the
same weights, with the same epochs, splits and seeds: as the task has it, with what the domain brings, and from scratch.
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import statistics
from collections.abc import Iterator, Mapping
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from cell import Cell
from real_data import DOCUMENTS, WEIGHTS, table

SEEDS = (0, 1, 2)
HEAD = """\
# Domains on real data

```sh
GRAFT_TEST_DATA=… uv run python benchmarks/domains.py --domain medical --out runs/domains    # satellite, driving
```

torchvision's MobileNet v2 with ImageNet weights; the arms of a cell share data, split, epochs and seeds, and differ
in what `benchmarks/cells_<domain>.py` says: the task's defaults, what the domain brings, and the defaults from random
weights. All of it is small, so that a CPU trains it in minutes. Intervals are over test images, or over groups where
there are some; CamVid is tested on one drive, whose frames are no independent evidence, so it has none. The
range is over seeds. What the figures decided is in the guide's pages on
[medical](../guide/medical.md), [satellite](../guide/satellite.md) and [driving](../guide/driving.md) images. Every
figure is from `domains-<domain>.json`, which the script wrote.

"""


def cells(domain: str, out: Path, data: Path) -> dict[str, Cell]:
    """Return a domain's cells by name, of `cells_<domain>.py`."""
    if find_spec(f"cells_{domain}") is None:
        raise SystemExit(f"no cells of '{domain}'")
    found: dict[str, Cell] = import_module(f"cells_{domain}").cells(out, data)
    return found


def measured(out: Path, name: str, recipe: Mapping[str, Any]) -> dict[str, Any]:
    """Return what a run comes to on its test split, and train it unless it is there."""
    import graft

    if not (out / name / "results.json").exists():
        graft.train(recipe, out=out, name=name)
    results = graft.Run.open(out / name).results
    value = results["metrics"]["test"][results["monitor"]]
    return {"metric": results["monitor"], **{key: None if v is None else round(v, 4) for key, v in value.items()}}


def page() -> Iterator[str]:
    """Yield the lines of the table over all domains whose results are there."""
    rows = []
    for file in sorted(DOCUMENTS.glob("domains-*.json")):
        for cell, arms in json.loads(file.read_text())["cells"].items():
            for arm, seeds in arms.items():
                first = seeds[min(seeds)]
                values = [own["value"] for own in seeds.values()]
                spread = f" ({min(values):.3f}–{max(values):.3f})" if len(values) > 1 else ""
                interval = "–" if first["low"] is None else f"{first['low']:.3f}–{first['high']:.3f}"
                domain = file.stem.partition("-")[2]
                mean = f"{statistics.mean(values):.3f}{spread}"
                rows.append((domain, cell, arm, first["metric"].replace("_", " "), str(len(values)), mean, interval))
    head = ("domain", "data", "arm", "metric", "seeds", "test, mean (least–most)", "95 % interval, first seed")
    yield from table(head, rows)


def main() -> None:
    """Train what is not there yet, and write results and page."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--domain", required=True)
    parser.add_argument("--out", type=Path, required=True, help="folder for the runs; finished ones are not repeated")
    parser.add_argument("--seeds", nargs="+", type=int, default=SEEDS)
    parser.add_argument("--epochs", type=int, help="epochs of every run, instead of the cell's own")
    parser.add_argument("--only", nargs="+", default=[""], help="only runs whose names contain one of these")
    parser.add_argument("--quick", action="store_true", help="try the script: one epoch, seed 0, nothing written")
    given = parser.parse_args()
    root = Path(os.environ["GRAFT_TEST_DATA"])
    os.environ.setdefault("GRAFT_HOME", str((given.out / "home").absolute()))
    given.out.mkdir(parents=True, exist_ok=True)
    if not (Path(os.environ["GRAFT_HOME"]) / "weights" / WEIGHTS.name).exists():
        WEIGHTS.load(root / "weights")
    file = DOCUMENTS / f"domains-{given.domain}.json"
    known: dict[str, Any] = json.loads(file.read_text()) if file.exists() else {"cells": {}}
    own = cells(given.domain, given.out, root / "data")
    for seed, (name, cell) in itertools.product([0] if given.quick else given.seeds, own.items()):
        for arm, more in cell.arms.items():
            run = f"{name}-{arm.replace(', ', '-').replace(' ', '-')}-{seed}"
            if not any(part in run for part in given.only):
                continue
            backbone = {"backbone.kind": WEIGHTS.arch, "backbone.weights": WEIGHTS.name}
            epochs = 1 if given.quick else given.epochs or cell.epochs
            recipe = {**cell.recipe, **backbone, "train.epochs": epochs, "train.seed": seed, **more}
            result = measured(given.out, f"quick-{run}" if given.quick else run, recipe)
            print(run, result, flush=True)
            if not given.quick:
                known["cells"].setdefault(name, {}).setdefault(arm, {})[str(seed)] = result
                file.write_text(json.dumps(known, indent=1, ensure_ascii=False) + "\n")
    if not given.quick:
        (DOCUMENTS / "domains.md").write_text(HEAD + "\n".join(page()) + "\n")


if __name__ == "__main__":
    main()
