"""Sample data: drives along streets that are drawn, with masks as in CamVid and boxes as in BDD100K; and signs."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFilter

from graft_driving.street import LIGHTS, Drive, Scene

SPLITS = ("train", "val", "test")
SIGNS = ("left", "right", "stop", "yield")
"""Two of them are each other's mirror images."""

_FRAMES = 5
"""Frames of a drive, and of a sign that a drive passes."""
_TEST = 40


def write_scenes(out: Path, *, seed: int = 0, size: int = 96, per_class: int = 15) -> int:
    """Write `source` and `target`, each as `train`, `trainannot` … with CamVid's eleven classes, and a `README.txt`.

    The same arguments give the same files; frames are named DRIVE_FRAME. Returns the number of images.
    """
    total = 0
    for part in LIGHTS:
        for split, drive, number, scene in _scenes(part, size=size, seed=seed, per_class=per_class):
            name = f"{drive}_{number * 30:05d}.png"
            for folder, pixels in ((split, scene.pixels), (f"{split}annot", scene.mask)):
                (out / part / folder).mkdir(parents=True, exist_ok=True)
                Image.fromarray(pixels).save(out / part / folder / name)
            total += 1
    what = "Masks: CamVid's eleven classes by number, in trainannot, valannot and testannot."
    _readme(out, what, size=size, seed=seed)
    return total


def write_boxes(out: Path, *, seed: int = 0, size: int = 96, per_class: int = 15) -> int:
    """Write `source` and `target`, each as `images/100k` and `labels/det_20` as in BDD100K, and a `README.txt`.

    The same arguments give the same files; images are named DRIVE-FRAME. Returns the number of images.
    """
    total = 0
    for part in LIGHTS:
        entries: dict[str, list[dict[str, Any]]] = {split: [] for split in SPLITS}
        for split, drive, number, scene in _scenes(part, size=size, seed=seed, per_class=per_class):
            folder = out / part / "images" / "100k" / split
            folder.mkdir(parents=True, exist_ok=True)
            name = f"{drive}-{number:04d}.png"
            Image.fromarray(scene.pixels).save(folder / name)
            labels = [
                {"category": label, "box2d": dict(zip(("x1", "y1", "x2", "y2"), box, strict=True))}
                for box, label in scene.boxes
            ]
            entries[split].append({"name": name, "labels": labels})
            total += 1
        (out / part / "labels" / "det_20").mkdir(parents=True)
        for split, own in entries.items():
            (out / part / "labels" / "det_20" / f"det_{split}.json").write_text(json.dumps(own), encoding="utf-8")
    what = "Boxes: cars, pedestrians, bicycles and traffic signs, in labels/det_20."
    _readme(out, what, size=size, seed=seed)
    return total


def write_signs(out: Path, *, seed: int = 0, size: int = 48, per_class: int = 15) -> int:
    """Write `source` and `target`, each as `train|val|test/CLASS/TRACK_FRAME.png`, and a `README.txt`.

    A track is one sign that a car comes near to. The same arguments give the same files. Returns the number of images.
    """
    total = 0
    for part in LIGHTS:
        train = per_class * (5 if part == "source" else 1)
        for place, (split, number) in enumerate(zip(SPLITS, (train, max(4, per_class // 2), _TEST // 4), strict=True)):
            for sign in SIGNS:
                folder = out / part / split / sign
                folder.mkdir(parents=True)
                for index in range(number):
                    track, frame = 1000 * place + index // _FRAMES, index % _FRAMES
                    pixels = _sign(part, sign, size=size, seed=(seed, track), frame=frame)
                    Image.fromarray(pixels).save(folder / f"{track:04d}_{frame:02d}.png")
                    total += 1
    what = f"Signs: {', '.join(SIGNS)}. data.group='([^/]+/[0-9]+)_' keeps the frames of a track together."
    _readme(out, what, size=size, seed=seed)
    return total


def _scenes(part: str, *, size: int, seed: int, per_class: int) -> Iterator[tuple[str, str, int, Scene]]:
    """Yield split, name of the drive, number of the frame, and the frame."""
    train = per_class * (8 if part == "source" else 2)
    for place, (split, images) in enumerate(zip(SPLITS, (train, max(_FRAMES, per_class), _TEST), strict=True)):
        for number in range(-(-images // _FRAMES)):
            drive = Drive(part, size=size, seed=(seed, place, number))
            for frame in range(_FRAMES):
                # A second apart, as the frames that CamVid's authors annotated.
                yield split, f"{part[0]}{place}{number:03d}", frame, drive.frame(frame)


def _sign(part: str, sign: str, *, size: int, seed: tuple[int, int], frame: int) -> NDArray[np.uint8]:
    """Return a sign cut out of its street, larger from frame to frame."""
    light = LIGHTS[part]
    own = (*seed, list(LIGHTS).index(part), SIGNS.index(sign))
    rng = np.random.default_rng(own)
    side = 4 * size
    ground, shade = rng.integers(60, 190, 3), rng.uniform(-12, 12)
    picture = Image.new("RGB", (side, side), tuple(int(value) for value in ground))
    draw = ImageDraw.Draw(picture)
    centre = side * (0.5 + rng.uniform(-0.08, 0.08, 2))
    radius = side * (0.24 + 0.025 * frame) * rng.uniform(0.9, 1.1)

    def corners(count: int, turn: float) -> list[tuple[float, float]]:
        angles = np.deg2rad(turn) + 2 * np.pi * np.arange(count) / count
        return [(float(centre[0] + radius * np.cos(a)), float(centre[1] + radius * np.sin(a))) for a in angles]

    x, y, r = float(centre[0]), float(centre[1]), float(radius)
    white = (235, 235, 235)
    if sign == "stop":
        draw.polygon(corners(8, 22.5), fill=(190, 25, 30))
        draw.rectangle((x - 0.6 * r, y - 0.16 * r, x + 0.6 * r, y + 0.16 * r), fill=white)
    elif sign == "yield":
        draw.polygon(corners(3, 90), fill=(190, 25, 30))
        radius *= 0.6
        draw.polygon(corners(3, 90), fill=white)
    else:
        draw.ellipse((x - r, y - r, x + r, y + r), fill=(30, 70, 170))
        to = -1 if sign == "left" else 1
        draw.rectangle((x - 0.5 * r, y - 0.13 * r, x + 0.5 * r, y + 0.13 * r), fill=white)
        tip = [(x + to * 0.7 * r, y), (x + to * 0.15 * r, y - 0.45 * r), (x + to * 0.15 * r, y + 0.45 * r)]
        draw.polygon(tip, fill=white)
    picture = picture.rotate(float(shade), resample=Image.Resampling.BILINEAR, fillcolor=tuple(map(int, ground)))
    small = picture.resize((size, size), Image.Resampling.BOX).filter(ImageFilter.GaussianBlur(1.4 - 0.25 * frame))
    noise = np.random.default_rng((*own, frame)).normal(0, 2 * light.noise, (size, size, 3))
    pixels = np.asarray(small, np.float64) * light.bright * (1 + light.blue * np.array([-0.3, 0.0, 0.4])) + noise
    whole: NDArray[np.uint8] = np.rint(pixels.clip(0, 255)).astype(np.uint8)
    return whole


def _readme(out: Path, what: str, *, size: int, seed: int) -> None:
    (out / "README.txt").write_text(_README.format(what=what, size=size, seed=seed), encoding="utf-8")


_README = """\
Drives along streets, drawn by Graft. Nobody's licence applies: CC0 1.0.

{what}
source/  many drives: sunny days, a good camera.
target/  few drives: dusk, and a worse camera.
Each part is divided into train, val and test; no drive is in two of them. Frames of a drive resemble each other.
Size {size} x {size} pixels, seed {seed}.
"""
