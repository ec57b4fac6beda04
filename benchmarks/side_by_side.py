"""Graft beside what its parts come from, in turn in one run: docs/results/side-by-side.md.

The same images, model family, weights, epochs and batch; each contender in a process of its own:

- `detector`: Faster R-CNN on MobileNet v2, against torchvision's reference loop (BCCD);
- `segmenter`: U-Net on MobileNet v2, against segmentation-models-pytorch's example loop (a part of CamVid, halved);
- `yolo`: YOLO11n from scratch, against ultralytics' own trainer (BCCD); left out where it is not installed.

Each trains as it does by default, but for what is named here. Speed is of training, loading included, without
validation; memory is the largest resident set of the process; the metric, on the test images, is calculated by one
judge: pycocotools, or a few lines of NumPy. Needs `GRAFT_TEST_DATA`.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
from real_data import DOCUMENTS, WEIGHTS, table, write_page
from segmentation import CAMVID, READERS, prepared

from graft.cli import wait_briefly

BLOOD = ("Platelets", "RBC", "WBC")
HEAD = {"kind": "faster-rcnn", "anchor": 4.0, "proposals": 100, "sampled": 64, "hidden": 256, "extra": 1}
UNET_WIDTH = 8
SIZES = {"detector": 160, "segmenter": 160, "yolo": 160}
INPUT = [128, 160]
"""Height and width that torchvision's detector gives BCCD's 4:3 images of 160 px, padded to a multiple of 32."""
EPOCHS = {"detector": 3, "segmenter": 4, "yolo": 12}
BATCH = 8
PEERS = {"detector": "torchvision's loop", "segmenter": "smp's loop", "yolo": "ultralytics' trainer"}
METRICS = {"detector": ("mAP", "AP50"), "segmenter": ("mean IoU", "pixels right"), "yolo": ("mAP", "AP50")}


# --- the data, as plain rows ----------------------------------------------------------------------------------------


def blood() -> dict[str, list[dict[str, Any]]]:
    """Return what Graft reads of BCCD, so that all train on the same boxes."""
    from graft_detection.formats.voc import VocReader
    from graft_detection.options import VocOptions

    catalogue = VocReader().read(Path(os.environ["GRAFT_TEST_DATA"]) / "data/medical/bccd", VocOptions())
    rows: dict[str, list[dict[str, Any]]] = {"train": [], "val": [], "test": []}
    for sample in catalogue.samples:
        labels = [BLOOD.index(name) for name in sample.target.labels]
        size = sample.target.size
        row = {"image": str(sample.path), "boxes": sample.target.boxes.tolist(), "labels": labels, "size": size}
        rows[str(sample.split)].append(row)
    return rows


def streets(folder: Path) -> dict[str, list[dict[str, Any]]]:
    """Return the table that `segmentation.py` writes for Graft."""
    import csv

    rows: dict[str, list[dict[str, Any]]] = {"train": [], "val": [], "test": []}
    with prepared(folder, "camvid").open(newline="") as file:
        for row in csv.DictReader(file):
            rows[row["split"]].append({"image": row["image"], "mask": row["mask"]})
    return rows


# --- one contender, in a process of its own ---------------------------------------------------------------------------


def of_graft(case: str, folder: Path, epochs: int, seed: int, rows: dict[str, list[dict[str, Any]]]) -> dict[str, Any]:
    import graft

    blood_cells = str(Path(os.environ["GRAFT_TEST_DATA"]) / "data/medical/bccd")
    backbone = {"kind": WEIGHTS.arch, "weights": WEIGHTS.name, "size": SIZES[case]}
    if case == "detector":
        backbone["size"] = INPUT
    recipe: dict[str, Any] = {"task": "detection", "data": {"train": blood_cells}, "backbone": backbone, "head": HEAD}
    if case == "segmenter":
        data = {"train": str(prepared(folder, "camvid")), "reader": READERS["camvid"], "split": "given"}
        recipe |= {"task": "segmentation", "data": data, "head": {"kind": "unet", "width": UNET_WIDTH}}
    if case == "yolo":
        recipe |= {"backbone": {"kind": "yolo:yolo11n", "weights": "none", "size": SIZES[case]}, "head": "yolo"}
    recipe |= {"train": {"epochs": epochs, "batch": BATCH, "seed": seed}, "evaluation": {"bootstrap": 0}}
    with tempfile.TemporaryDirectory(dir=folder) as out:
        run = graft.train(recipe, out=out, console=graft.Console(quiet=True))
        found = []
        for file in run.predict([row["image"] for row in rows["test"]], batch=BATCH):
            one = file.prediction
            found.append(
                {"mask": one.mask}
                if case == "segmenter"
                else {"boxes": one.boxes.tolist(), "labels": one.labels.tolist(), "scores": one.scores.tolist()}
            )
        speed = statistics.mean(row["images_per_second"] for row in run.history)
    return {"speed": speed, "found": found}


def of_peer(case: str, folder: Path, epochs: int, seed: int, rows: dict[str, list[dict[str, Any]]]) -> dict[str, Any]:
    import peer_loops as peers
    import torch

    torch.manual_seed(seed)
    samples = len(rows["train"])
    if case == "segmenter":
        # As many crops as Graft cuts: each image is covered about once in an epoch.
        samples = round(samples * 240 * 180 / SIZES[case] ** 2)
    task = peers.Task(
        train=rows["train"],
        test=rows["test"],
        classes=list(CAMVID if case == "segmenter" else BLOOD),
        weights=Path(os.environ["GRAFT_TEST_DATA"]) / "weights" / WEIGHTS.file,
        size=SIZES[case],
        batch=BATCH,
        epochs=epochs,
        seed=seed,
        samples=samples,
        folder=folder / "yolo",
    )
    if case == "detector":
        seconds, images, found = peers.torchvision_detector(task, HEAD)
    elif case == "segmenter":
        seconds, images, found = peers.smp_unet(task, UNET_WIDTH)
    else:
        seconds, images, found = peers.ultralytics_detector(task)
    return {"speed": images / seconds, "found": found}


def contend(case: str, who: str, folder: Path, epochs: int, seed: int) -> None:
    """Train and predict, and leave what came of it in a file."""
    rows = streets(folder) if case == "segmenter" else blood()
    result = (of_graft if who == "graft" else of_peer)(case, folder, epochs, seed, rows)
    # Kilobytes on Linux.
    result["memory"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    (folder / "result.json").write_text(json.dumps(result, default=lambda array: array.tolist()))


# --- the judge --------------------------------------------------------------------------------------------------------


def judged_boxes(rows: list[dict[str, Any]], found: list[dict[str, Any]]) -> tuple[float, float]:
    """Return mAP and AP50 by pycocotools."""
    import contextlib
    import io

    from pycocotools.coco import COCO
    from pycocotools.cocoeval import COCOeval

    truth, guesses = [], []
    for number, (row, own) in enumerate(zip(rows, found, strict=True), 1):
        for box, label in zip(row["boxes"], row["labels"], strict=True):
            xywh = [box[0], box[1], box[2] - box[0], box[3] - box[1]]
            truth.append({"image_id": number, "category_id": label + 1, "bbox": xywh, "area": xywh[2] * xywh[3]})
        for box, label, score in zip(own["boxes"], own["labels"], own["scores"], strict=True):
            xywh = [box[0], box[1], box[2] - box[0], box[3] - box[1]]
            guesses.append({"image_id": number, "category_id": label + 1, "bbox": xywh, "score": score})
    with contextlib.redirect_stdout(io.StringIO()):
        coco = COCO()
        coco.dataset = {
            "images": [{"id": number + 1} for number in range(len(rows))],
            "categories": [{"id": number + 1, "name": name} for number, name in enumerate(BLOOD)],
            "annotations": [{**one, "id": number, "iscrowd": 0} for number, one in enumerate(truth, 1)],
        }
        coco.createIndex()
        if not guesses:
            return 0.0, 0.0
        judge = COCOeval(coco, coco.loadRes(guesses), "bbox")
        judge.evaluate()
        judge.accumulate()
        judge.summarize()
    return float(judge.stats[0]), float(judge.stats[1])


def judged_masks(rows: list[dict[str, Any]], found: list[dict[str, Any]]) -> tuple[float, float]:
    """Return the mean IoU over classes, of all pixels together, and the share of pixels that are right."""
    from PIL import Image

    count = len(CAMVID)
    taken = np.zeros((count, count), np.int64)
    for row, own in zip(rows, found, strict=True):
        true = np.array(Image.open(row["mask"]))
        seen = true < count
        pairs = true[seen].astype(int) * count + np.asarray(own["mask"])[seen]
        taken += np.bincount(pairs, minlength=count**2).reshape(taken.shape)
    right = np.diagonal(taken)
    return float((right / (taken.sum(0) + taken.sum(1) - right)).mean()), float(right.sum() / taken.sum())


# --- in turn ----------------------------------------------------------------------------------------------------------


def process(case: str, who: str, folder: Path, epochs: int, seed: int) -> dict[str, Any]:
    """Run a contender and return what it left."""
    command = [sys.executable, __file__, "--contender", case, who, "--work", str(folder)]
    command += ["--epochs", str(epochs), "--seed", str(seed)]
    # What ultralytics writes into the home folder goes with ours.
    home = {"HOME": str(folder), "YOLO_CONFIG_DIR": str(folder), "YOLO_OFFLINE": "True", "YOLO_AUTOINSTALL": "False"}
    environment = {**os.environ, **home}
    wait_briefly(environment)
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"{case}, {who}: {done.stdout[-2000:]}{done.stderr[-4000:]}")
    result: dict[str, Any] = json.loads((folder / "result.json").read_text())
    return result


def measured(cases: list[str], rounds: int, quick: bool, folder: Path) -> Iterator[tuple[str, str, dict[str, Any]]]:
    for case in cases:
        rows = (streets(folder) if case == "segmenter" else blood())["test"]
        judge = judged_masks if case == "segmenter" else judged_boxes
        if case == "yolo":
            graft = Path(sys.executable).with_name("graft")
            data = Path(os.environ["GRAFT_TEST_DATA"]) / "data/medical/bccd"
            subprocess.run([graft, "data", "convert", data, folder / "yolo", "--to", "yolo"], check=True)
        for number in range(rounds):
            for who in ("graft", "peer") if number % 2 == 0 else ("peer", "graft"):
                result = process(case, who, folder, 1 if quick else EPOCHS[case], seed=number)
                result["metric"] = judge(rows, result.pop("found"))
                print(case, who, result, flush=True)
                yield case, who, result


def text(results: dict[str, dict[str, list[dict[str, Any]]]]) -> Iterator[str]:
    rows = []
    for case, sides in results.items():
        for who, label in (("graft", "**Graft**"), ("peer", PEERS[case])):
            own = sides[who]
            first, second = (statistics.mean(run["metric"][place] for run in own) for place in (0, 1))
            speed, memory = (statistics.median(run[key] for run in own) for key in ("speed", "memory"))
            names = METRICS[case]
            rows.append(
                (case, label, f"{speed:.1f}", f"{memory:,.0f}", f"{names[0]} {first:.3f}, {names[1]} {second:.3f}")
            )
    yield from table(("", "", "images/s", "peak memory, MB", "metric on the test images"), rows)
    yield from ("", "Graft over the other, in pairs of one round, the median:", "")
    for case, sides in results.items():
        pairs = list(zip(sides["graft"], sides["peer"], strict=True))
        speed, memory = (statistics.median(a[key] / b[key] for a, b in pairs) for key in ("speed", "memory"))
        metric = statistics.median(a["metric"][0] - b["metric"][0] for a, b in pairs)
        yield f"- {case}: speed × {speed:.2f}, memory × {memory:.2f}, {METRICS[case][0]} {metric:+.3f}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--cases", nargs="+", choices=list(PEERS), default=list(PEERS))
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--quick", action="store_true", help="try the script: an epoch of each, no page")
    parser.add_argument("--contender", nargs=2, help=argparse.SUPPRESS)
    parser.add_argument("--epochs", type=int, help=argparse.SUPPRESS)
    parser.add_argument("--seed", type=int, help=argparse.SUPPRESS)
    parser.add_argument("--work", type=Path, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.contender:
        contend(*given.contender, given.work, given.epochs, given.seed)
        return
    if "yolo" in given.cases and (find_spec("graft_yolo") is None or find_spec("ultralytics") is None):
        print("yolo is left out: graft-yolo is not installed")
        given.cases.remove("yolo")
    with tempfile.TemporaryDirectory() as work:
        folder = Path(work)
        os.environ["GRAFT_HOME"] = str(folder / "home")
        WEIGHTS.load(Path(os.environ["GRAFT_TEST_DATA"]) / "weights")
        results: dict[str, dict[str, list[dict[str, Any]]]] = {}
        for case, who, result in measured(given.cases, 1 if given.quick else given.rounds, given.quick, folder):
            results.setdefault(case, {"graft": [], "peer": []})[who].append(result)
    written = "\n".join(text(results))
    print(written)
    if not given.quick:
        (DOCUMENTS / "side-by-side.json").write_text(json.dumps(results, indent=1) + "\n")
        write_page("side-by-side", written)


if __name__ == "__main__":
    main()
