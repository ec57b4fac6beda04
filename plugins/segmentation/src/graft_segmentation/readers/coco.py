"""COCO's JSON, with the outlines of objects."""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from graft.data.coco import CocoFile, CocoImage, coco_files, merged_names, passed_over, read_coco, wrong_size
from graft.data.decode import BadImage
from graft.data.decoder import Decoder
from graft.data.reader import Reader
from graft.data.readers import require_path
from graft.data.samples import Catalogue, Sample
from graft.errors import DataError, Problem
from graft_segmentation.masks import MOST_CLASSES
from graft_segmentation.options import CocoOptions
from graft_segmentation.shapes import Shapes, check_outline


class CocoMaskReader(Reader):
    """Reads `images`, `annotations` (their `segmentation`) and `categories`; one file, or one for each split.

    Objects of one class become one region. Classes are in the order of their category ids, with the background first.
    """

    def detect(self, path: Path) -> str | None:
        """Return why this is COCO's JSON with outlines."""
        names = ", ".join(file.name for file, _ in coco_files(path))
        return f"{names} in COCO's format" if names else None

    def read(self, path: Path, options: BaseModel) -> Catalogue:
        """Return the images with their outlines.

        Raises:
            DataError: With every mistake in the files, each naming its place.
        """
        if not isinstance(options, CocoOptions):
            raise TypeError(f"CocoOptions are needed, not {type(options).__name__}")
        require_path(path, "data")
        files = [(path, None)] if path.is_file() else coco_files(path)
        if not files:
            raise DataError(f"{path} has no JSON file in COCO's format", fix="data.train=FOLDER/annotations.json")
        root = path if path.is_dir() else path.parent
        samples: list[Sample] = []
        read = [read_coco(file, root, folder=options.root) for file, _ in files]
        for own, (_, split) in zip(read, files, strict=True):
            samples += _samples(own, split, options, self.decoder)
        names, problems = merged_names(read)
        problems = [problem for own in read for problem in own.problems] + problems
        if problems:
            raise DataError(f"{path} cannot be used", problems=problems, fix="correct these places")
        classes = tuple(names.values())
        if options.background and options.background not in classes:
            classes = (options.background, *classes)
        if len(classes) > MOST_CLASSES:
            raise DataError(f"{path} has {len(classes)} classes; {MOST_CLASSES} can be told in a mask")
        return Catalogue(
            samples=tuple(sorted(samples, key=lambda sample: sample.id)),
            classes=classes,
            reader="coco-masks",
            root=root,
            notes=tuple(passed_over(files)),
        )


def _samples(coco: CocoFile, split: str | None, options: CocoOptions, decoder: Decoder) -> list[Sample]:
    sizes = {number: _size(coco, image, decoder) for number, image in coco.images.items()}
    shapes: dict[Any, list[tuple[str, Any]]] = defaultdict(list)
    for place, row in coco.annotations("image_id", "category_id", "segmentation"):
        number, label = row["image_id"], coco.category(place, row)
        if not isinstance(number, (int, str)) or number not in coco.images:
            coco.note(f"{place}.image_id", f"{number!r} is no image's")
            continue
        size = sizes[number]
        if label is None or size is None:
            continue
        try:
            check_outline(row["segmentation"], size)
        except ValueError as error:
            coco.note(f"{place}.segmentation", str(error))
        else:
            shapes[number].append((label, row["segmentation"]))
    return [
        Sample(
            id=image.id,
            path=image.path,
            target=Shapes(tuple(shapes[number]), size, options.background or None, image.where, image.path, decoder),
            split=split,
            where=image.where,
        )
        for number, image in coco.images.items()
        if (size := sizes[number]) is not None
    ]


def _size(coco: CocoFile, image: CocoImage, decoder: Decoder) -> tuple[int, int] | None:
    """Return (H, W) as the annotation says; None, noted, where it says nothing or the file is of another size."""
    if image.size is None:
        coco.problems.append(Problem(image.where, "has no height and width, which outlines need"))
        return None
    try:
        problem = wrong_size(image.path, image.size, decoder.size(image.path), where=image.where)
    except BadImage:
        problem = None  # The check of the images says so.
    if problem is not None:
        coco.problems.append(problem)
        return None
    return image.size
