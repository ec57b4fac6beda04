"""Driving's cells of `domains.py`."""

from __future__ import annotations

from pathlib import Path

from cell import SCRATCH, Cell
from PIL import Image


def camvid(out: Path, data: Path) -> Path:
    """Return CamVid's day scenes at half their size, in their own layout; a mask's pixel is one of the four."""
    folder = out / "camvid"
    if not folder.exists():
        for file in sorted((data / "driving/camvid_day").glob("*/*/*")):
            how = Image.Resampling.NEAREST if file.parent.name == "labels" else Image.Resampling.BOX
            new = folder / file.parent.relative_to(data / "driving/camvid_day") / f"{file.stem}.png"
            new.parent.mkdir(parents=True, exist_ok=True)
            with Image.open(file) as opened:
                opened.resize((opened.width // 2, opened.height // 2), how).save(new)
    return folder


def cells(out: Path, data: Path) -> dict[str, Cell]:
    """Return the cells by name."""
    weather = {"task default": {}, "with weather": {"augment.kind": "road"}, "from scratch": SCRATCH}
    return {
        "gtsrb": Cell(
            recipe={
                "task": "classification",
                "data.train": str(data / "driving/gtsrb"),
                "data.group": r"^(\d+/\d+)_",
                "data.split.by": "group",
                "data.split.val": 0.2,
                "data.split.test": 0.2,
                "backbone.size": 64,
                "train.batch": 32,
            },
            arms={
                "task default": {},
                "domain preset": {"domain.kind": "driving"},
                "no mirror, no weather": {
                    "augment.kind": "signs",
                    **{f"augment.{name}": 0.0 for name in ("rain", "fog", "glare", "night", "motion_blur", "noise")},
                },
                "from scratch": SCRATCH,
            },
            epochs=12,
        ),
        "highway": Cell(
            recipe={
                "task": "detection",
                "data.train": str(data / "driving/highway"),
                "backbone.size": 224,
                "head.kind": "ssd",
                "head.width": 64,
                "train.batch": 8,
            },
            arms=weather,
            epochs=12,
        ),
        "camvid": Cell(
            recipe={
                "task": "segmentation",
                # Its val is of the drive that train is of: it chooses the epoch, and the other drive tests.
                "data.train": str(camvid(out, data)),
                "data.reader.kind": "camvid",
                "head.kind": "unet",
                "head.width": 8,
                "backbone.size": 160,
                "train.batch": 8,
            },
            arms=weather,
            epochs=8,
        ),
    }
