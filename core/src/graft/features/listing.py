"""The images that features are wanted of: with labels and splits where the data has them, else as they lie there."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from graft.data.decoder import STANDARD, Decoder
from graft.data.otherwise import read_otherwise
from graft.data.parts import in_parts
from graft.data.prepare import read
from graft.data.readers import as_text
from graft.data.readers._files import is_hidden, require_path
from graft.data.samples import LABELS, Catalogue, Sample
from graft.errors import DataError
from graft.plugins import ReaderSpec
from graft.recipe.schema import Data

if TYPE_CHECKING:
    from graft.plugins import Plugins

LIKE = "files that are no usual images are read as a run reads them that was trained on such: --like RUN"
"""What to type where files are of another decoder."""


def listed(data: Path, *, reader: str | None = None, decoder: Decoder = STANDARD, plugins: Plugins) -> Catalogue:
    """Return the images of a folder or a table; none is decoded.

    A folder whose images all lie in it directly, or one image, has no labels: targets are then empty.

    Args:
        data: A folder or a file, in any format whose reader gives labels; or without labels.
        reader: The reader's name; None detects it.
        decoder: Knows the files.
        plugins: The readers.

    Raises:
        DataError: When it does not exist, fits no reader or several, its annotations are wrong, or it holds sequences.
        PluginError: When there is no such reader.
    """
    data = data.expanduser()
    if reader is None and data.is_file() and decoder.reads(data):
        return in_parts(_plain([data], data.parent), decoder)
    require_path(data, "DATA")
    if reader is None and (images := _lying_in(data, decoder)):
        return in_parts(_plain(images, data), decoder)
    spec = plugins.find(ReaderSpec, reader) if reader is not None else None
    try:
        catalogue = read(
            Data(train=str(data)), takes=LABELS, reader=spec, options=None, decoder=decoder, plugins=plugins
        )
    except DataError as error:
        if read_otherwise(data, decoder, plugins) is None:
            raise
        raise DataError(error.message, problems=error.problems, fix=LIKE) from error
    if catalogue.sequences:
        raise DataError(
            f"{data} holds sequences of images, and features are of single ones",
            fix="name a folder of frames, or read it as single images with --reader folder",
        )
    return catalogue


def _lying_in(data: Path, decoder: Decoder) -> list[Path]:
    """Return the images in a folder, if there is none in a folder below."""
    if not data.is_dir():
        return []
    found: list[Path] = []
    for here, folders, names in os.walk(data, followlinks=True):
        images = [Path(here, name) for name in sorted(names) if _is_image(Path(here, name), decoder)]
        if Path(here) != data and images:
            return []
        found += images
        if not found:
            return []  # images that lie in it come first
        folders[:] = [name for name in folders if not is_hidden(name)]
    return found


def _is_image(path: Path, decoder: Decoder) -> bool:
    return not is_hidden(path.name) and decoder.reads(path)


def _plain(images: list[Path], root: Path) -> Catalogue:
    samples = tuple(Sample(id=as_text(path.relative_to(root).as_posix()), path=path, target=()) for path in images)
    return Catalogue(
        samples=samples, classes=(), reader="", root=root, notes=("no folders of classes: there are no labels",)
    )
