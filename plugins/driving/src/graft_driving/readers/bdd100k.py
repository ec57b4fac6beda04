"""BDD100K: boxes in JSON, and masks of training numbers. Torch-free."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from graft.data.reader import Reader
from graft.data.readers import require_path
from graft.data.samples import SPLITS, Catalogue
from graft.errors import DataError, Problem
from graft_driving.classes import BDD_OBJECTS, BDD_OTHER, BDD_RENAMED, CITYSCAPES
from graft_driving.frames import Frame
from graft_driving.options import BoxOptions, SceneOptions
from graft_driving.readers import boxes, scenes
from graft_driving.readers.boxes import Box

_IMAGES = ("images/100k", "images/10k", "images")
_BOXES = ("labels/det_20/det_{split}.json", "labels/bdd100k_labels_images_{split}.json", "labels/100k/{split}")
_MASKS = (
    ("images/10k", "labels/sem_seg/masks", "{stem}.png"),
    ("seg/images", "seg/labels", "{stem}_train_id.png"),
)
_CORNERS = ("x1", "y1", "x2", "y2")


class BddBoxReader(Reader):
    """Reads `images/100k/SPLIT` with `labels/det_20/det_SPLIT.json`, the files of 2018, or one JSON file per image.

    Classes of 2018 get today's names. A drive is what the first part of an image's name says: videos of one ride share
    it. Corners are taken as edges of pixels. Images whose labels are not published (test) are left out.
    """

    def detect(self, path: Path) -> str | None:
        """Return why this is such a folder."""
        found = [place for _, place in _labels(path)]
        return f"there is {found[0].relative_to(path).as_posix()}" if found and _images(path) else None

    def read(self, path: Path, options: BaseModel) -> Catalogue:
        """Return every annotated image with its objects.

        Raises:
            DataError: With everything that is wrong in the labels.
        """
        if not isinstance(options, BoxOptions):
            raise TypeError(f"BoxOptions are needed, not {type(options).__name__}")
        require_path(path, "data")
        images, labels = _images(path), list(_labels(path))
        if images is None or not labels:
            raise DataError(f"{path} is not as BDD100K is", fix="name the folder with images/100k and labels/det_20")
        frames: list[tuple[Frame, list[Box]]] = []
        problems: list[Problem] = []
        left = 0
        for split, place in labels:
            folder = images / split if (images / split).is_dir() else images
            for where, entry in _entries(path, place, problems):
                name = Path(str(entry.get("name", ""))).name
                image = folder / (name if Path(name).suffix else f"{name}.jpg")
                if not name or not image.is_file():
                    # Labels of 100,000 images come in one file; who has some of the images means those.
                    left += 1
                    continue
                frame = Frame(image=image, annotation=place, split=split, drive=_ride(entry, image))
                frames.append((frame, list(_boxes(where, entry, problems))))
        notes = [f"{left} annotated images are not there, and are left out"] if left else []
        return boxes.catalogue_of(
            path,
            frames,
            known=BDD_OBJECTS,
            wanted=options.classes,
            reader="bdd100k",
            problems=problems,
            notes=notes,
        )


class BddMaskReader(Reader):
    """Reads `images/10k/SPLIT` with `labels/sem_seg/masks/SPLIT`, or `seg/images` with `seg/labels`."""

    def detect(self, path: Path) -> str | None:
        """Return why this is such a folder."""
        found = _scenes(path)
        return None if found is None else f"there is {found[1].relative_to(path).as_posix()}"

    def read(self, path: Path, options: BaseModel) -> Catalogue:
        """Return every image of train and val with its mask.

        Raises:
            DataError: When folders are missing, and with each image without a mask.
        """
        if not isinstance(options, SceneOptions):
            raise TypeError(f"SceneOptions are needed, not {type(options).__name__}")
        require_path(path, "data")
        found = _scenes(path)
        if found is None:
            raise DataError(
                f"{path} is not as BDD100K is", fix="name the folder with images/10k and labels/sem_seg/masks"
            )
        images, masks, pattern = found
        frames = [
            Frame(
                image=image,
                annotation=masks / split / pattern.format(stem=image.stem),
                split=split,
                drive=_ride({}, image),
            )
            for split in SPLITS
            if (masks / split).is_dir()
            for image in scenes.images_in(images / split, self.decoder)
        ]
        coding = scenes.by_training_number(CITYSCAPES)
        return scenes.catalogue_of(
            path,
            [(frame, coding) for frame in frames],
            table=CITYSCAPES,
            options=options,
            reader="bdd100k-masks",
            decoder=self.decoder,
        )


def _images(path: Path) -> Path | None:
    return next((path / name for name in _IMAGES if (path / name).is_dir()), None)


def _labels(path: Path) -> Iterator[tuple[str, Path]]:
    """Yield each split with its file of labels, or its folder of such."""
    for split in SPLITS:
        places = (path / pattern.format(split=split) for pattern in _BOXES)
        if (place := next((place for place in places if place.exists()), None)) is not None:
            yield split, place


def _scenes(path: Path) -> tuple[Path, Path, str] | None:
    for images, masks, pattern in _MASKS:
        if (path / images).is_dir() and (path / masks).is_dir():
            return path / images, path / masks, pattern
    return None


def _ride(entry: Mapping[str, Any], image: Path) -> str:
    video = entry.get("videoName")
    return (video if isinstance(video, str) and video else image.stem).split("-")[0]


def _entries(root: Path, place: Path, problems: list[Problem]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Yield what is said of each image, and where."""
    files = sorted(place.glob("*.json")) if place.is_dir() else [place]
    for file in files:
        where = file.relative_to(root).as_posix()
        try:
            document = json.loads(file.read_text("utf-8"))
        except (OSError, ValueError, RecursionError) as error:
            problems.append(Problem(where, f"is no JSON: {error}"))
            continue
        own = document.get("frames") if isinstance(document, dict) and place.is_file() else document
        entries: Sequence[Any] = own if isinstance(own, list) else [own]
        for number, entry in enumerate(entries):
            at = where if len(entries) == 1 else f"{where} entry {number}"
            if isinstance(entry, dict):
                yield at, entry
            else:
                problems.append(Problem(at, "says nothing about an image"))


def _boxes(where: str, entry: Mapping[str, Any], problems: list[Problem]) -> Iterator[Box]:
    labels = entry.get("labels")
    frames = entry.get("frames")
    if labels is None and isinstance(frames, list) and frames and isinstance(frames[0], dict):
        labels = frames[0].get("objects")  # a file per image, as of 2018
    if labels is not None and not isinstance(labels, list):
        problems.append(Problem(where, "labels is no list"))
        return
    for number, label in enumerate(labels or ()):
        at = f"{where}, object {number}"
        box = label.get("box2d") if isinstance(label, dict) else None
        if box is None:  # lanes and drivable areas
            continue
        name = str(label.get("category"))
        name = BDD_RENAMED.get(name, name)
        attributes = label.get("attributes")
        crowd = bool(attributes.get("crowd")) if isinstance(attributes, dict) else False
        try:
            left, top, right, bottom = (float(box[key]) for key in _CORNERS)
        except (KeyError, TypeError, ValueError):
            problems.append(Problem(at, "box2d has no numbers x1, y1, x2, y2"))
            continue
        corners = left, top, right, bottom
        if name in BDD_OTHER:
            yield Box(where=at, label=None, corners=corners)
        elif name in BDD_OBJECTS:
            yield Box(where=at, label=name, corners=corners, crowd=crowd)
        else:
            problems.append(Problem(at, f"'{name}' is none of BDD100K's classes"))
