"""Small data sets of street scenes, each laid out as its authors do."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
from PIL import Image

from graft_driving.classes import CAMVID

SIZE = (8, 12)


def image(path: Path, pixels: np.ndarray | None = None) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.zeros((*SIZE, 3), np.uint8) if pixels is None else pixels).save(path)
    return path


def numbers(*values: int) -> np.ndarray:
    """A mask whose columns hold these values in turn."""
    return np.resize(np.array(values, np.uint8), (SIZE[1],))[None].repeat(SIZE[0], axis=0)


def cityscapes(root: Path, *names: tuple[str, str], mask: np.ndarray | None = None, kind: str = "labelIds") -> Path:
    for split, stem in names:
        city = stem.split("_")[0]
        image(root / "leftImg8bit" / split / city / f"{stem}_leftImg8bit.png")
        own = numbers(7, 26, 3, 24) if mask is None else mask
        image(root / "gtFine" / split / city / f"{stem}_gtFine_{kind}.png", own)
    return root


def colours(*names: str) -> np.ndarray:
    """A coloured mask whose columns show these kinds in turn."""
    by_name = {kind.name: kind.colour for kind in CAMVID.kinds}
    row = [[int(by_name[name][at : at + 2], 16) for at in (1, 3, 5)] for name in names]
    return np.resize(np.array(row, np.uint8), (SIZE[1], 3))[None].repeat(SIZE[0], axis=0)


def label(category: str, *corners: float, **attributes: bool) -> dict:
    return {
        "category": category,
        "attributes": attributes,
        "box2d": dict(zip(("x1", "y1", "x2", "y2"), corners, strict=True)),
    }


def bdd(root: Path, entries: list[dict], where: str = "labels/det_20/det_train.json") -> Path:
    for entry in entries:
        image(root / "images/100k/train" / entry["name"])
    (root / where).parent.mkdir(parents=True, exist_ok=True)
    (root / where).write_text(json.dumps(entries))
    return root


def line(kind: str, *corners: float, cut: float = 0.0, hidden: int = 0) -> str:
    return f"{kind} {cut} {hidden} -1.57 {' '.join(map(str, corners))} 1.5 1.6 3.9 1.0 1.6 20.0 0.1\n"


def kitti(root: Path, *texts: str) -> Path:
    for number, text in enumerate(texts):
        image(root / "training/image_2" / f"{number:06d}.png", np.zeros((60, 80, 3), np.uint8))
        (root / "training/label_2").mkdir(exist_ok=True)
        (root / "training/label_2" / f"{number:06d}.txt").write_text(text)
    return root


def mapping(root: Path) -> Path:
    """Write the development kit's tables of two images, each of a drive of its own."""
    (root / "mapping").mkdir()
    (root / "mapping/train_mapping.txt").write_text(
        "2011_09_26 2011_09_26_drive_0001_sync 0000000005\n2011_09_28 2011_09_28_drive_0002_sync 0000000030\n"
    )
    (root / "mapping/train_rand.txt").write_text("2,1\n")
    return root
