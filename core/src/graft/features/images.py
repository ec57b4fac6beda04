"""The labelled images that backbones are compared on: one label each, none of those that training would test on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from graft.data.decode import BadImage
from graft.data.decoder import STANDARD, Decoder, build_decoder
from graft.data.frames import digest_of
from graft.data.prepare import read
from graft.data.samples import LABELS, Catalogue, Sample
from graft.data.splits import divide
from graft.errors import DataError, Problem

if TYPE_CHECKING:
    from graft.console import Console
    from graft.plugins import Plugins
    from graft.recipe import ResolvedRecipe
    from graft.tasks.contract import Task


@dataclass(frozen=True)
class Images:
    """Labelled images.

    Args:
        paths: `(N,)`.
        labels: `(N,)`, indices into `classes`.
        groups: The group of each, None where none has one or the recipe divides regardless of groups; an image without
            one is a group of its own.
        classes: Names of the classes that there are images of.
        held_out: How many more there are, on which training would test.
        decoder: Reads them.
    """

    paths: tuple[Path, ...]
    labels: NDArray[np.int64]
    groups: tuple[str, ...] | None
    classes: tuple[str, ...]
    held_out: int
    decoder: Decoder = STANDARD

    def without(self, gone: set[Path]) -> Images:
        """Return the images whose paths are not among `gone`."""
        return self.chosen([i for i, path in enumerate(self.paths) if path not in gone])

    def chosen(self, indices: Sequence[int]) -> Images:
        """Return some of the images, with the classes that are left."""
        present, labels = np.unique(self.labels[list(indices)], return_inverse=True)
        return Images(
            paths=tuple(self.paths[i] for i in indices),
            labels=labels.astype(np.int64),
            groups=None if self.groups is None else tuple(self.groups[i] for i in indices),
            classes=tuple(self.classes[number] for number in present),
            held_out=self.held_out,
            decoder=self.decoder,
        )


def images_of(resolved: ResolvedRecipe, *, limit: int | None, plugins: Plugins, console: Console) -> Images:
    """Return the images of a recipe's data to compare on; none is read as an image.

    The test part is left out, the given one or the one that training would draw: who chooses a backbone by the images
    that its accuracy is later measured on fools himself.

    Args:
        resolved: Its data, reader and task; the task takes labels.
        limit: At most so many, with the shares of the classes kept; None for all.
        plugins: The readers and the task.
        console: Says what was found.

    Raises:
        DataError: When nothing can be read there, an image has not exactly one label, or fewer than two classes have
            images.
    """
    data = resolved.recipe.data
    decoder = build_decoder(resolved.decoder, resolved.decoder_options, plugins=plugins)
    catalogue = read(
        data,
        takes=LABELS,
        reader=resolved.reader,
        options=resolved.reader_options,
        decoder=decoder,
        plugins=plugins,
    )
    for note in catalogue.notes:
        console.say("Data", note)
    _check(catalogue)
    digests = {sample.id: digest for sample in catalogue.samples if (digest := _digest(sample, decoder))}
    task: Task = plugins.target(resolved.task)(classes=catalogue.classes, options=resolved.task_options)
    split = divide(catalogue.samples, task.strata(catalogue), data.split, digests=digests).split
    samples = [catalogue.samples[i] for i in sorted((*split["train"], *split["val"]))]
    # A backbone sees the frames of a sequence one by one. They are much alike, and must not be told from each other.
    frames = [(sample, path) for sample in samples for path in sample.files]
    names = {name: number for number, name in enumerate(catalogue.classes)}
    by_group = data.split.by not in ("stratified", "random") and any(sample.group is not None for sample in samples)
    everything = Images(
        paths=tuple(path for _, path in frames),
        labels=np.array([names[sample.target[0]] for sample, _ in frames], np.int64),
        groups=tuple(_group(sample, by_group) for sample, _ in frames) if by_group or catalogue.sequences else None,
        classes=catalogue.classes,
        held_out=sum(len(catalogue.samples[index].files) for index in split["test"]),
        decoder=decoder,
    )
    images = everything.chosen(_subset(everything.labels, limit))
    if len(images.classes) < 2:
        raise DataError(
            f"{catalogue.root}: there is nothing to tell apart, all images are of one class",
            fix="name data with at least two classes",
        )
    if images.groups is not None and len(set(images.groups)) < 2:
        raise DataError(
            f"{catalogue.root}: all images that are not left for testing are of one {images.groups[0]}, "
            "and a group is never divided",
            fix="bring more groups, or, where images of a group have no more in common than others, "
            "data.split.by=stratified",
        )
    few = f" of {len(frames)}" if len(images.paths) < len(frames) else ""
    console.say(
        "Data",
        f"{len(images.paths)}{few} images in {len(images.classes)} classes, {catalogue.root}; "
        f"{images.held_out} left for testing are not looked at",
    )
    return images


def _check(catalogue: Catalogue) -> None:
    several = [sample for sample in catalogue.samples if len(sample.target) != 1]
    if several:
        raise DataError(
            f"{catalogue.root}: backbones are ranked on images with one label each, "
            f"{len(several)} of {len(catalogue.samples)} have another number",
            problems=[Problem(s.where or s.id, f"{len(s.target)} labels: {', '.join(s.target)}") for s in several],
            fix="give a table with one label for each image, of the class that matters most",
        )


def _group(sample: Sample, by_group: bool) -> str:
    if by_group and sample.group is not None:
        return f"group {sample.group}"
    return f"{'sequence' if sample.frames else 'image'} {sample.id}"


def _digest(sample: Sample, decoder: Decoder) -> str | None:
    """Return what the copies of a sample have in common; None where a file cannot be read, which is said later."""
    try:
        return digest_of(sample, {path: decoder.digest(path) for path in sample.files})
    except BadImage:
        return None


def _subset(labels: NDArray[np.int64], limit: int | None) -> list[int]:
    """Return the ascending indices of at most `limit` samples: of each class the same share, and two if it has two."""
    order = np.random.default_rng(0).permutation(len(labels))
    place = np.empty(len(labels))
    for label in np.unique(labels):
        members = order[labels[order] == label]
        place[members] = (np.arange(len(members)) + 0.5) / len(members)
        place[members[:2]] -= 1
    return sorted(np.argsort(place, kind="stable")[:limit].tolist())
