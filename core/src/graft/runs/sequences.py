"""Which sequences of images people mean who name folders and tables."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from pathlib import Path

from graft.data.decoder import Decoder
from graft.data.frames import natural, spread
from graft.data.options import SequenceOptions
from graft.data.readers._sequence_table import SequenceTable
from graft.data.readers.table import is_table, listed_paths, lists_frames
from graft.errors import DataError, UserError

Named = tuple[Path, tuple[Path, ...]]
"""What something to be predicted is called, and its image files in order."""


def expand_sequences(paths: Iterable[Path], decoder: Decoder, *, max_frames: int | None) -> Iterator[Named]:
    """Yield the sequences that paths stand for.

    Each folder with images, among those given and the folders below them, is one; a table with the columns `sequence`
    and `frame` lists many, and one with a column `path` the paths of some; an image is a sequence of one.

    Args:
        paths: Folders, tables and images.
        decoder: Knows which files are images.
        max_frames: Of longer sequences so many frames are taken, evenly spaced, as in training.

    Raises:
        UserError: When there is no image in a folder or below it.
        DataError: When a table has other columns, or mistakes.
    """
    for path in paths:
        if path.is_dir():
            found = _folders_with_images(path, decoder)
        elif is_table(path) and lists_frames(path):
            found = _listed(path)
        elif is_table(path):
            found = expand_sequences(listed_paths(path), decoder, max_frames=max_frames)
        else:
            found = iter([(path, (path,))])
        for name, frames in found:
            yield name, spread(frames, max_frames)


def _folders_with_images(root: Path, decoder: Decoder) -> Iterator[Named]:
    closed: list[Path] = []
    found = False
    for folder, folders, names in os.walk(root, onerror=lambda error: closed.append(Path(error.filename))):
        folders.sort()
        frames = sorted((name for name in names if decoder.reads(Path(folder, name))), key=natural)
        if frames:
            found = True
            yield Path(folder), tuple(Path(folder, name) for name in frames)
    # One that may not be read becomes a result with an error.
    yield from ((folder, (folder,)) for folder in closed)
    if not found and not closed:
        raise UserError(f"{root}: no image in this folder or below it")


def _listed(path: Path) -> Iterator[Named]:
    table = SequenceTable(path, SequenceOptions(), labelled=False)
    sequences = table.frames()
    if table.problems:
        raise DataError(f"{path} cannot be used", problems=table.problems, fix="correct these lines")
    for name, frames in sequences.items():
        yield Path(name), tuple(frame.path for frame in frames)
