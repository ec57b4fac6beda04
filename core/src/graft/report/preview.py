"""A picture of what training will see: images as they are read, and beside each several draws of the augmentation."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from graft.data.dataset import ImageDataset
from graft.data.decode import BadImage

if TYPE_CHECKING:
    from graft.data.augmentation import Augmentation
    from graft.data.samples import Sample
    from graft.data.store import PixelStore
    from graft.tasks.contract import Task

_SIDE = 160
_GAP = 6
_LINE = 14


def preview(
    samples: Sequence[Sample],
    *,
    task: Task,
    store: PixelStore,
    augmentation: Augmentation,
    views: int,
    seed: int = 0,
) -> tuple[Image.Image, list[str]]:
    """Return a picture with a row for each sample, and the names of those in it.

    A row begins with the image as evaluation sees it; then come draws of the augmentation, as training sees it.
    What the annotation says is drawn into each; it must lie where it belongs. Above each row is the sample's name.

    Args:
        samples: At least one that can be read.
        task: Encodes and draws.
        store: Decodes and resizes.
        augmentation: The preset, built.
        views: Draws of it for each sample.
        seed: Of the draws.

    Raises:
        BadImage: When none of them can be read.
    """
    faults = [_fault(sample, store) for sample in samples]
    readable = [sample for sample, fault in zip(samples, faults, strict=True) if fault is None]
    if not readable:
        raise BadImage("unreadable", f"none of the images can be read; {samples[0].id}: {faults[0]}")
    samples = readable
    parts: dict[str, Any] = {
        "targets": [task.encode(sample) for sample in samples],
        "store": store,
        "task_collate": task.collate,
    }
    still = ImageDataset(samples, **parts)
    varied = ImageDataset(samples, **parts, augmentation=augmentation, seed=seed)
    rows = []
    for index, sample in enumerate(samples):
        seen = [_first(still, index)]
        for epoch in range(views):
            images, target = varied.item((epoch, index, 0))
            seen.append((images[0], target))
        rows.append((sample.id, [_drawn(image, target, task, store) for image, target in seen]))
    return _sheet(rows), [name for name, _ in rows]


def _fault(sample: Sample, store: PixelStore) -> BadImage | None:
    try:
        store.load(sample.path)
    except BadImage as error:
        return error
    return None


def _first(dataset: ImageDataset, index: int) -> tuple[NDArray[Any], Any]:
    """Return an image and its target without augmentation: the whole of it, also where it is seen through windows."""
    if dataset.whole:
        return dataset.store.load(dataset.samples[index].path), dataset.targets[index]
    images, target = dataset.item((0, index, 0))
    return images[0], target


def _drawn(image: NDArray[Any], target: Any, task: Task, store: PixelStore) -> Image.Image:
    picture = store.decoder.displayed(image)
    drawn = task.draw(picture, None, target)
    shown = Image.fromarray(np.ascontiguousarray(picture if drawn is None else drawn))
    scale = _SIDE / max(shown.size)
    return shown.resize((max(1, round(shown.width * scale)), max(1, round(shown.height * scale))))


def _sheet(rows: Sequence[tuple[str, list[Image.Image]]]) -> Image.Image:
    columns = max(len(pictures) for _, pictures in rows)
    size = (_GAP + columns * (_SIDE + _GAP), _GAP + len(rows) * (_LINE + _SIDE + _GAP))
    sheet = Image.new("RGB", size, "white")
    pen = ImageDraw.Draw(sheet)
    for row, (name, pictures) in enumerate(rows):
        top = _GAP + row * (_LINE + _SIDE + _GAP)
        pen.text((_GAP, top), name, fill="black")
        for column, picture in enumerate(pictures):
            sheet.paste(picture, (_GAP + column * (_SIDE + _GAP), top + _LINE))
    return sheet
