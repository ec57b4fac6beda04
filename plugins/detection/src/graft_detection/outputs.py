"""Detections as COCO's JSON, which the reader of `coco` reads."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from graft.outputs import Output, Places
from graft_detection.task import DetectionTask
from graft_detection.writers.coco import empty, numbered

if TYPE_CHECKING:
    from graft.outputs import Predictor
    from graft_detection.detections import Detections


class CocoJson(Output):
    """`coco`: a document for each image, with all detections and their scores, and categories as in the data."""

    def write(self, predictor: Predictor, paths: Iterable[Path], out: Path) -> Iterator[tuple[Path, str | None]]:
        """Write `OUT/NAME.json` for each image; what was found in a folder keeps its place below it."""
        task = cast("DetectionTask", predictor.bundle.task)
        numbers = numbered(task.classes, task.numbers)
        places = Places(".json", out)
        for given in paths:
            for file in predictor.predict(given):
                if file.error is not None:
                    yield file.path, file.error
                    continue
                top = given if given.is_dir() else file.path.parent
                target = places.of(file.path, top=top)
                document = _document(cast("Detections", file.prediction), file.path, task.classes, numbers)
                target.write_text(json.dumps(document, ensure_ascii=False), encoding="utf-8")
                yield target, None


def _document(found: Detections, image: Path, classes: tuple[str, ...], numbers: Mapping[str, int]) -> dict[str, Any]:
    document = empty(numbers)
    height, width = found.size
    document["images"].append({"id": 1, "file_name": image.name, "width": width, "height": height})
    every = zip(found.boxes.astype(np.float64), found.labels, found.scores, strict=True)
    for number, (box, label, score) in enumerate(every, 1):
        left, top, right, bottom = box.tolist()
        document["annotations"].append(
            {
                "id": number,
                "image_id": 1,
                "category_id": numbers[classes[int(label)]],
                "bbox": [left, top, right - left, bottom - top],
                "area": (right - left) * (bottom - top),
                "iscrowd": 0,
                "score": float(score),
            }
        )
    return document
