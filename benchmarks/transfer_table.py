"""Test accuracy on real data, pretrained against random weights, `fixed` and `full`: docs/results/classification.md.

Needs `GRAFT_TEST_DATA`: the folder with `data/` and `weights/`. Each line of the table is several seeds of one recipe on
one split; intervals are over the test images (bootstrap, the middle seed's), the spread is over seeds.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import sys
from pathlib import Path
from typing import Any

SEEDS = (0, 1, 2)

WEIGHTS: dict[str, dict[str, Any]] = {
    "shufflenet": {
        "file": "shufflenet_v2_x0_5_tv_backbone_rgb.pth",
        "arch": "torchvision:shufflenet_v2_x0_5",
        "upto": "stage4",
        "mean": 0.0,
        "std": 1.0,
        "size": 224,
        "epochs": 20,
    },
    "mobilenet": {
        "file": "mobilenet_v2_tv_imagenet_fp16.pth",
        "arch": "torchvision:mobilenet_v2",
        "upto": None,
        "mean": 0.5,
        "std": 0.5,
        "size": 128,
        "epochs": 15,
    },
}


def data_sets(root: Path) -> dict[str, dict[str, Any]]:
    return {
        "satellite scenes (rsscn7)": {
            "train": str(root / "data/satellite/rsscn7"),
            "reader": {"kind": "folder", "level": 2},
            "split": {"by": "stratified", "val": 0.15, "test": 0.35},
        },
        "white blood cells (wbc1)": {
            "train": str(root / "data/medical/wbc1/labels.csv"),
            "reader": {"kind": "csv", "path": "image", "label": "class", "root": "images"},
            "split": {"by": "stratified", "val": 0.15, "test": 0.35},
        },
    }
