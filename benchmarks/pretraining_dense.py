"""Segmentation and detection from the weights that Graft ships: a part of docs/results/pretraining.md.

Street scenes with a U-Net and blood smears with SSD, the recipes of `segmentation.py` and `detection.py`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import detection
import segmentation
from real_data import Case, table, trained

SIZE = 160


@dataclass(frozen=True)
class Cell:
    """What is measured on a data set."""

    head: str
    metric: str
    title: str


CELLS: Mapping[str, Cell] = {
    "camvid": Cell(head="unet", metric="iou", title="street scenes, `unet`: mean IoU"),
    "bccd": Cell(head="ssd", metric="map", title="blood smears, `ssd`: mAP"),
}


def measured(out: Path, arm: str, backbone: Mapping[str, Any], data: str, seed: int) -> float:
    """Return the value on test of a network that was trained from a backbone, unless that run is there already."""
    cell = CELLS[data]
    case = Case(data=data, head=cell.head, weights=arm)
    own = segmentation.recipe(out, case, seed, None) if data == "camvid" else detection.recipe(case, seed, None)
    wanted = {**own, "backbone": {**backbone, "size": SIZE}}
    name = f"{arm.replace(', ', '-').replace(' ', '-')}-{data}-{seed}"
    value = trained(out, name, wanted)["test"][cell.metric]["value"]
    return float(value or 0.0)


def lines(known: Mapping[str, Any], arms: Sequence[str]) -> Iterator[str]:
    """Yield a table of what has been measured: the mean over seeds, the least and the most."""
    arms = [arm for arm in arms if any(f"dense/{arm}/{data}" in known for data in CELLS)]
    rows = []
    for data, cell in CELLS.items():
        values = [list(known.get(f"dense/{arm}/{data}", {}).values()) for arm in arms]
        shown = (f"{sum(v) / len(v):.3f} ({min(v):.3f}–{max(v):.3f})" if v else "–" for v in values)
        rows.append((cell.title, *shown))
    if arms:
        yield from table(("", *arms), rows)
