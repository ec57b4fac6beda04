"""COCO's JSON with boxes: one file, or one for each split. Torch-free."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from graft.data.coco import CocoFile, coco_files, is_number, merged_names, passed_over, read_coco
from graft.data.reader import Reader
from graft.data.readers import require_path, twin_notes
from graft.data.samples import Catalogue, Sample
from graft.errors import DataError
from graft_detection.formats.geometry import Collector, Tally, true_size
from graft_detection.options import CocoOptions


class CocoReader(Reader):
    """Reads `images`, `annotations` (their `bbox`, `iscrowd`, `area`) and `categories`.

    Classes are in the order of their category ids, which may have gaps; all of them count, also those without objects.
    Outlines (`segmentation`) are not looked at.
    """

    def detect(self, path: Path) -> str | None:
        """Return why `path` is read as COCO: a JSON file with such a key, or a folder of them by split."""
        files = coco_files(path)
        if path.is_file():
            return "a JSON file with images and annotations" if files else None
        names = ", ".join(file.relative_to(path).as_posix() for file, _ in files)
        return f"{names} in COCO's format" if files else None

    def read(self, path: Path, options: BaseModel) -> Catalogue:
        """Return the images with their objects.

        Raises:
            DataError: With every mistake in the file, each naming its place in it.
        """
        if not isinstance(options, CocoOptions):
            raise TypeError(f"CocoOptions are needed, not {type(options).__name__}")
        require_path(path, "data")
        files = [(path, None)] if path.is_file() else coco_files(path)
        if not files:
            raise DataError(f"{path} has no JSON file in COCO's format", fix="data.train=FOLDER/annotations.json")
        root = path.parent if path.is_file() else path
        tally = Tally()
        samples: list[Sample] = []
        read = [read_coco(file, root, folder=options.root) for file, _ in files]
        for own, (_, split) in zip(read, files, strict=True):
            samples += _samples(own, split, tally)
        names, problems = merged_names(read)
        problems = [problem for own in read for problem in own.problems] + problems
        if problems:
            raise DataError(f"{path} cannot be used", problems=problems, fix="correct these places")
        classes = tuple(names.values())
        return Catalogue(
            samples=tuple(sorted(samples, key=lambda sample: sample.id)),
            classes=classes,
            reader="coco",
            root=root,
            notes=(*tally.notes(), *twin_notes(classes), *passed_over(files)),
            numbers={name: number for number, name in names.items()},
        )


def _samples(coco: CocoFile, split: str | None, tally: Tally) -> list[Sample]:
    objects = _objects(coco, tally)
    samples = []
    for number, image in coco.images.items():
        size = true_size(image.path, image.size, where=image.where, problems=coco.problems)
        collector = Collector(size, tally, coco.problems)
        for found in objects.get(number, []):
            collector.add(**found)
        samples.append(Sample(id=image.id, path=image.path, target=collector.objects(), split=split, where=image.where))
    return samples


def _objects(coco: CocoFile, tally: Tally) -> dict[Any, list[dict[str, Any]]]:
    """Return what a `Collector` takes of each annotation, by the id of its image."""
    found: dict[Any, list[dict[str, Any]]] = defaultdict(list)
    for place, row in coco.annotations("image_id", "category_id", "bbox"):
        where = f"{coco.label} {place}"
        image, box = row["image_id"], row["bbox"]
        if not isinstance(image, (int, str)) or image not in coco.images:
            tally.add("orphan", f"{where}: image_id {image!r}")
        elif (label := coco.category(place, row)) is None:
            continue
        elif not isinstance(box, list) or len(box) != 4 or not all(map(is_number, box)):
            coco.note(f"{place}.bbox", f"{_short(box)} is not four numbers: left, top, width, height")
        elif box[2] < 0 or box[3] < 0:
            coco.note(f"{place}.bbox", f"{_short(box)} has a negative size", "left, top, width, height")
        elif (flags := _flags(coco, place, row)) is not None:
            left, top, width, height = map(float, box)
            corners = (left, top, left + width, top + height)
            found[image].append({"where": where, "label": label, "box": corners, **flags})
    return found


def _flags(coco: CocoFile, place: str, row: Mapping[str, Any]) -> dict[str, Any] | None:
    """Return what else an annotation says, or None when that is wrong."""
    crowd, difficult, area = row.get("iscrowd", 0), row.get("difficult", 0), row.get("area")
    for key, value in (("iscrowd", crowd), ("difficult", difficult)):
        if value not in (0, 1):
            coco.note(f"{place}.{key}", f"{value!r} is neither 0 nor 1")
            return None
    if area is not None and (not is_number(area) or area < 0):
        coco.note(f"{place}.area", f"{area!r} is no area")
        return None
    return {"crowd": bool(crowd), "difficult": bool(difficult), "area": None if area is None else float(area)}


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else text[:60] + "…"
