"""What readers of street scenes have in common: from frames and a table of classes to a catalogue. Torch-free."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from graft.data.decoder import Decoder
from graft.data.readers import is_hidden
from graft.data.samples import Catalogue
from graft.errors import DataError, Problem, did_you_mean
from graft_driving.classes import IGNORED, ClassTable
from graft_driving.frames import Frame, by_drive, drive_notes
from graft_driving.options import SceneOptions
from graft_segmentation.masks import IGNORE, Coding, MaskFile, one_hot


@dataclass(frozen=True)
class GroupedMask:
    """A mask whose values are brought together to fewer classes. A `graft_segmentation.masks.MaskSource`.

    Args:
        fine: The mask file, coded by kinds.
        counts_as: The class of each kind; None, and a class that is not learnt, count nowhere.
    """

    fine: MaskFile
    counts_as: Mapping[str, str | None] = field(repr=False)

    def read(self, index: Mapping[str, int], *, multi: bool) -> NDArray[np.uint8]:
        """Return the mask, `(H, W)`, or for `multi` `(H, W, C)`; see `MaskSource`."""
        kinds = list(self.fine.coding.classes)
        numbers = np.full(IGNORE + 1, IGNORE, np.uint8)
        numbers[: len(kinds)] = [index.get(self.counts_as[kind] or "", IGNORE) for kind in kinds]
        mask = numbers[self.fine.read({kind: place for place, kind in enumerate(kinds)}, multi=False)]
        return one_hot(mask, len(index)) if multi else mask

    def size(self) -> tuple[int, int]:
        """Return the (H, W) of its image."""
        return self.fine.size()

    def of_part(self, path: Path) -> GroupedMask:
        """Return the mask of a part of the image's file."""
        return replace(self, fine=self.fine.of_part(path))

    def __repr__(self) -> str:
        # Copies of an image are compared by what their masks hold.
        return repr(self.fine)


def by_number(table: ClassTable) -> Coding:
    """Return the coding of masks with the data set's own numbers."""
    return Coding({kind.name: kind.number for kind in table.kinds}, frozenset({IGNORED}))


def by_colour(table: ClassTable) -> Coding:
    """Return the coding of masks with the data set's colours."""
    return Coding({kind.name: kind.colour for kind in table.kinds})


def by_training_number(table: ClassTable, *void: int) -> Coding:
    """Return the coding of masks with training numbers; `void` and 255 count nowhere."""
    return Coding({name: number for number, name in enumerate(table.classes)}, frozenset({IGNORED, *void}))


def catalogue_of(
    root: Path,
    frames: Sequence[tuple[Frame, Coding]],
    *,
    table: ClassTable,
    options: SceneOptions,
    reader: str,
    decoder: Decoder,
    notes: Sequence[str] = (),
) -> Catalogue:
    """Return frames with their masks.

    Args:
        root: Of the data.
        frames: Each with what stands for what in its mask: kinds of the table, or its classes.
        table: The classes.
        options: Which of them are learnt.
        reader: Its name.
        decoder: Reads images and masks.
        notes: What else is to be said.

    Raises:
        DataError: When there is no frame, a class is none, or files are missing; with every one of them.
    """
    classes = chosen(options.classes, table.classes)
    if not frames:
        raise DataError(f"{root}: no image with a mask is left", fix="bring the masks")
    every = [frame for frame, _ in frames]
    refuse_missing(root, every, "mask")
    counts_as = {**{name: name for name in table.classes}, **table.counts_as}
    samples = [
        frame.sample(root, GroupedMask(MaskFile(frame.annotation, frame.image, coding, decoder), counts_as))
        for frame, (_, coding) in zip(by_drive(every), frames, strict=True)
    ]
    return Catalogue(
        samples=tuple(sorted(samples, key=lambda sample: sample.id)),
        classes=classes,
        reader=reader,
        root=root,
        notes=(*notes, *drive_notes(every)),
    )


def chosen(wanted: Sequence[str] | None, known: Sequence[str]) -> tuple[str, ...]:
    """Return the classes that are learnt, in the data set's order.

    Raises:
        DataError: With every name that is none of them.
    """
    problems = [
        Problem("data.reader.classes", f"'{name}' is none of the data's", did_you_mean(name, known))
        for name in wanted or ()
        if name not in known
    ]
    if problems:
        raise DataError("there are no such classes", problems=problems, fix=f"some of: {', '.join(known)}")
    return tuple(name for name in known if wanted is None or name in wanted)


def refuse_missing(root: Path, frames: Sequence[Frame], what: str) -> None:
    """Raise when annotations are missing.

    Raises:
        DataError: With each image that has none.
    """
    lost = [frame for frame in frames if not frame.annotation.is_file()]
    if lost:
        raise DataError(
            f"{root}: {len(lost)} of {len(frames)} images have no {what}",
            problems=[Problem(str(f.image.relative_to(root)), f"no {f.annotation.relative_to(root)}") for f in lost],
            fix=f"bring the {what}s, or remove the images",
        )


def images_in(folder: Path, decoder: Decoder, *, deep: bool = False) -> Iterator[Path]:
    """Yield the images in a folder, sorted; with `deep` also those below it."""
    if folder.is_dir():
        found = folder.rglob("*") if deep else folder.iterdir()
        yield from sorted(file for file in found if file.is_file() and not is_hidden(file.name) and decoder.reads(file))
