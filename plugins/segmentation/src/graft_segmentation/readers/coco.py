"""COCO's JSON, with the outlines of objects."""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from graft.data.decoder import Decoder
from graft.data.reader import Reader
from graft.data.readers import SPLIT_WORDS, require_path
from graft.data.samples import Catalogue, Sample
from graft.errors import DataError, Problem
from graft_segmentation.masks import MOST_CLASSES
from graft_segmentation.options import CocoOptions
from graft_segmentation.readers.coco_document import read_document
from graft_segmentation.shapes import Shapes, filled

_HEAD = 4096


class CocoMaskReader(Reader):
    """Reads `images`, `annotations` (their `segmentation`) and `categories`; of a folder, `train.json`, `val.json` ….

    Objects of one class become one region. Classes are in the order of their category ids, with the background first.
    """

    def detect(self, path: Path) -> str | None:
        """Return why this is COCO's JSON with outlines."""
        files = _files(path)
        if not files or not all(_looks_like(file) for file, _ in files):
            return None
        return f"{', '.join(file.name for file, _ in files)} in COCO's format"

    def read(self, path: Path, options: BaseModel) -> Catalogue:
        """Return the images with their outlines.

        Raises:
            DataError: With every mistake in the files, each naming its place.
        """
        if not isinstance(options, CocoOptions):
            raise TypeError(f"CocoOptions are needed, not {type(options).__name__}")
        require_path(path, "data")
        files = _files(path)
        if not files:
            raise DataError(f"{path} has no JSON file in COCO's format", fix="data.train=FOLDER/annotations.json")
        samples: list[Sample] = []
        problems: list[Problem] = []
        names: tuple[str, ...] | None = None
        for file, split in files:
            own, found, wrong = _read(file, split, options, self.decoder)
            problems += wrong
            samples += found
            if names is not None and own != names:
                problems.append(Problem(f"{file.name}: categories", "are others than in the file before"))
            names = names or own
        if problems:
            raise DataError(f"{path} cannot be used", problems=problems, fix="correct these places")
        classes = names or ()
        if options.background and options.background not in classes:
            classes = (options.background, *classes)
        if len(classes) > MOST_CLASSES:
            raise DataError(f"{path} has {len(classes)} classes; {MOST_CLASSES} can be told in a mask")
        root = path if path.is_dir() else path.parent
        ordered = tuple(sorted(samples, key=lambda sample: sample.id))
        return Catalogue(samples=ordered, classes=classes, reader="coco-masks", root=root)


def _files(path: Path) -> list[tuple[Path, str | None]]:
    if path.is_file():
        return [(path, None)] if path.suffix.lower() == ".json" else []
    if not path.is_dir():
        return []
    places = (path, path / "annotations")
    found = [file for place in places if place.is_dir() for file in sorted(place.glob("*.json"))]
    return [(file, split) for file in found if (split := SPLIT_WORDS.get(file.stem.rpartition("_")[2].lower()))]


def _looks_like(file: Path) -> bool:
    with file.open("rb") as stream:
        head = stream.read(_HEAD)
    return any(f'"{key}"'.encode() in head for key in ("images", "annotations", "categories"))


def _read(
    file: Path, split: str | None, options: CocoOptions, decoder: Decoder
) -> tuple[tuple[str, ...], list[Sample], list[Problem]]:
    """Return class names, samples and what is wrong with a file.

    Raises:
        DataError: When it is no JSON at all.
    """
    document = read_document(file)
    problems, images, names = document.problems, document.images, document.names
    root = _root(file, options, [name for name, _ in images.values()])
    shapes: dict[Any, list[tuple[str, Any]]] = defaultdict(list)
    for number, entry in enumerate(document.annotations):
        where = f"{file.name}: annotations[{number}]"
        try:
            image, name = entry["image_id"], names[entry["category_id"]]
            if image not in images:
                problems.append(Problem(where, f"its image_id {image} is no image's"))
                continue
            filled(entry["segmentation"], images[image][1])
            shapes[image].append((name, entry["segmentation"]))
        except KeyError as error:
            problems.append(
                Problem(where, f"has no {error}" if str(error).startswith("'") else f"category_id {error} is none")
            )
        except (ValueError, TypeError) as error:
            problems.append(Problem(where, str(error)))
    samples = []
    for image, (name, size) in images.items():
        path = (root / name).resolve()
        if not path.is_relative_to(root.resolve()):
            problems.append(Problem(f"{file.name}: image {image}", f"{name} leads out of {root}"))
            continue
        target = Shapes(
            tuple(shapes[image]), size, options.background or None, f"{file.name}: {name}", root / name, decoder
        )
        samples.append(Sample(id=name, path=root / name, target=target, split=split, where=file.name))
    return tuple(names.values()), samples, problems


def _root(file: Path, options: CocoOptions, names: list[str]) -> Path:
    """Return the folder that file names are relative to."""
    if options.images is not None:
        return file.parent / options.images
    above = file.parent.parent if file.parent.name == "annotations" else file.parent
    candidates = [file.parent, above, above / "images", above / file.stem, above / "images" / file.stem]
    return next((folder for folder in candidates if names and (folder / names[0]).is_file()), file.parent)
