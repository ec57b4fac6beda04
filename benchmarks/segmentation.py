"""Mean IoU on real data, ImageNet against random weights at the same epochs: docs/results/segmentation.md.

Street scenes (a part of CamVid), cell membranes (ISBI 2012) and roads in aerial photographs. Needs `GRAFT_TEST_DATA`,
the folder that holds `data/` and `weights/`. The seed changes weights, order and augmentation; the split stays.
"""

from __future__ import annotations

import argparse
import csv
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from PIL import Image
from real_data import WEIGHTS, Case, draw_curves, gathered, interval, options, over_seeds, table, write_page

SEEDS = (0, 1, 2)
CAMVID = ("sky", "building", "pole", "road", "pavement", "tree", "sign", "fence", "car", "pedestrian", "bicyclist")
TITLES = {"camvid": "street scenes", "membranes": "membranes", "roads": "roads"}
EPOCHS = {"camvid": 6, "membranes": 5, "roads": 24}
CASES = [
    Case(data=data, head=head, weights=weights)
    for data, head in (
        ("camvid", "unet"),
        ("camvid", "deeplabv3+"),
        ("camvid", "fcn"),
        ("membranes", "unet"),
        ("roads", "unet"),
    )
    for weights in ("ImageNet", "none")
]


def halved(image: Path, mask: Path, folder: Path) -> tuple[Path, Path]:
    """Write an image and its mask at half their size; a mask's pixel is one of the four."""
    made = []
    for path, how in ((image, Image.Resampling.BOX), (mask, Image.Resampling.NEAREST)):
        new = folder / path.parent.relative_to(path.parents[2]) / f"{path.stem}.png"
        new.parent.mkdir(parents=True, exist_ok=True)
        with Image.open(path) as opened:
            opened.resize((opened.width // 2, opened.height // 2), how).save(new)
        made.append(new)
    return made[0], made[1]


def pairs(root: Path, data: str) -> Iterator[tuple[Path, Path, str]]:
    """Yield image, mask and split. What is held out is a block: neighbours of a sequence are all but the same."""
    if data == "camvid":
        folder = root / "driving/camvid_day"
        for split in ("train", "val"):
            found = sorted((folder / split / "images").iterdir())
            for number, image in enumerate(found):
                held_out = "test" if split == "val" else "val" if number >= 0.85 * len(found) else "train"
                yield image, folder / split / "labels" / f"{image.stem}.png", held_out
        return
    place, masks = {"membranes": ("medical/isbi_em", "label"), "roads": ("satellite/eth_roads", "groundtruth")}[data]
    images = {"membranes": "image", "roads": "images"}[data]
    found = sorted((root / place / images).iterdir(), key=lambda path: int("".join(filter(str.isdigit, path.stem))))
    for number, image in enumerate(found):
        share = number / len(found)
        split = "train" if share < 0.6 else "val" if share < 0.75 else "test"
        yield image, root / place / masks / f"{image.stem}.png", split


def prepared(out: Path, data: str) -> Path:
    """Write the images that are trained on, and a table of them for Graft."""
    file = out / f"{data}.csv"
    if not file.exists():
        rows = []
        for image, mask, split in pairs(Path(os.environ["GRAFT_TEST_DATA"]) / "data", data):
            if data != "membranes":
                image, mask = halved(image, mask, out / data)
            rows.append((image.absolute(), mask.absolute(), split))
        with file.open("w", newline="") as opened:
            csv.writer(opened).writerows([("image", "mask", "split"), *rows])
    return file


READERS: dict[str, dict[str, Any]] = {
    "camvid": {"kind": "pairs", "classes": CAMVID, "ignore": [11]},
    "membranes": {"kind": "pairs", "classes": {"membrane": 0, "cell": 255}},
    "roads": {"kind": "pairs", "classes": ["field", "road"], "threshold": 127},
}


def recipe(out: Path, case: Case, seed: int, epochs: int | None) -> dict[str, Any]:
    head: dict[str, Any] = {"kind": case.head}
    if case.head == "unet":
        head["width"] = 8
    return {
        "task": "segmentation",
        "data": {"train": str(prepared(out, case.data)), "reader": READERS[case.data], "split": "given"},
        "backbone": {
            "kind": WEIGHTS.arch,
            "weights": WEIGHTS.name if case.weights == "ImageNet" else "none",
            "size": 160,
        },
        "head": head,
        "train": {"epochs": epochs or EPOCHS[case.data], "batch": 8, "seed": seed},
    }


def text(results: Mapping[str, Mapping[int, Any]]) -> Iterator[str]:
    shown = [case for case in CASES if case.name in results]
    head = ("data", "head", "weights", "seeds", "mean IoU", "95 % interval, first seed", "boundary F1", "pixels right")
    rows = []
    for case in shown:
        runs = results[case.name]
        values = (over_seeds(runs, metric) for metric in ("boundary_f1", "pixel_accuracy"))
        measured = (str(len(runs)), over_seeds(runs, "iou"), interval(runs, "iou"), *values)
        rows.append((TITLES[case.data], f"`{case.head}`", case.weights, *measured))
    yield from table(head, rows)
    yield from ("", "IoU of each class of the street scenes, the mean over seeds:", "")
    street = [case for case in shown if case.data == "camvid"]
    columns = [f"`{case.head}`, {case.weights}" for case in street]
    classes = [
        (name, *(over_seeds(results[case.name], f"iou.{name}").partition(" ")[0] for case in street)) for name in CAMVID
    ]
    yield from table(("class", *columns), classes)
    yield from ("", "IoU of the class that is looked for:", "")
    sought = {"membranes": "membrane", "roads": "road"}
    rows = []
    for case in (case for case in shown if case.data in sought):
        name, runs = sought[case.data], results[case.name]
        rows.append((name, case.weights, over_seeds(runs, f"iou.{name}"), interval(runs, f"iou.{name}")))
    yield from table(("class", "weights", "IoU", "95 % interval, first seed"), rows)


def panels(results: Mapping[str, Mapping[int, Any]]) -> dict[str, dict[str, Any]]:
    found: dict[str, dict[str, Any]] = {}
    for case in CASES:
        if case.name in results:
            label = "ImageNet weights" if case.weights == "ImageNet" else "from scratch"
            found.setdefault(f"{TITLES[case.data]}, {case.head}", {})[label] = results[case.name]
    return found


def main() -> None:
    given: argparse.Namespace = options(__doc__.splitlines()[0], SEEDS)
    results = gathered("segmentation", CASES, given, lambda case, seed, epochs: recipe(given.out, case, seed, epochs))
    written = "\n".join(text(results))
    print(written)
    if not given.quick:
        write_page("segmentation", written)
        draw_curves("segmentation", panels(results), metric="mean IoU")


if __name__ == "__main__":
    main()
