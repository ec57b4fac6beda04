"""Images without labels: all below a folder, or those in one file. Torch-free."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from pydantic import BaseModel

from graft.data import BadImage
from graft.data.reader import Reader
from graft.data.readers import SPLIT_WORDS, as_text, is_hidden, is_image, require_path, walk
from graft.data.samples import Catalogue, Sample
from graft.errors import DataError


class ImagesReader(Reader):
    """Reads every image below a folder, whatever its folders are called; only train, val and test mean something.

    Links are followed, each folder once. A sample is a sequence that shows one image twice: its two views.
    """

    def detect(self, path: Path) -> str | None:
        """Return why `path` is read: there is an image below it, or it is a file of several."""
        if path.is_file():
            several = self.decoder.reads(path) and not is_image(path.name)
            return "a file that the decoder finds images in" if several else None
        found = path.is_dir() and next(self._images(path), None) is not None
        return "a folder with images in it; labels, where it has some, are not looked at" if found else None

    def read(self, path: Path, options: BaseModel) -> Catalogue:
        """Return the images below `path`.

        Raises:
            DataError: When there is none, or a folder cannot be listed.
        """
        require_path(path, "data")
        root = path if path.is_dir() else path.parent
        try:
            splits = _splits(path) if path.is_dir() else {}
            files = list(self._images(path)) if path.is_dir() else [path]
        except OSError as error:
            raise DataError(f"{error.filename} cannot be listed: {error.strerror}", fix="make it readable") from error
        samples = [sample for file in files for sample in self._samples(file, root, splits)]
        if not samples or not all(self.decoder.reads(file) for file in files):
            raise DataError(
                f"{path} holds no image that the decoder reads",
                fix="name a folder with images in it; data.decoder=NAME reads other kinds",
            )
        return Catalogue(
            samples=tuple(sorted(samples, key=lambda sample: sample.id)), classes=(), reader="images", root=root
        )

    def _samples(self, file: Path, root: Path, splits: dict[str, str]) -> Iterator[Sample]:
        inside = file.relative_to(root)
        name, split = as_text(inside.as_posix()), splits.get(inside.parts[0])
        parts = self._parts(file)
        for part in parts:
            below = part.relative_to(file).as_posix()
            yield Sample(
                id=name if part == file else f"{name}/{below}",
                path=part,
                frames=(part, part),
                target=(),
                # Slices of a volume show one patient; a decoder says where it is otherwise.
                group=self._group(part) or (name if len(parts) > 1 else None),
                split=split,
            )

    def _parts(self, file: Path) -> Sequence[Path]:
        try:
            return self.decoder.parts(file)
        except (BadImage, OSError):  # found out, and said, when it is decoded
            return (file,)

    def _group(self, path: Path) -> str | None:
        try:
            return self.decoder.group(path)
        except (BadImage, OSError):
            return None

    def _images(self, folder: Path) -> Iterator[Path]:
        for here, names in walk(folder):
            yield from (here / name for name in names if not is_hidden(name) and self.decoder.reads(here / name))


def _splits(folder: Path) -> dict[str, str]:
    """Return the splits by the names of their folders: where there is nothing else, and train among them."""
    names = [entry.name for entry in folder.iterdir() if not is_hidden(entry.name) and entry.is_dir()]
    found = {name: SPLIT_WORDS[name.casefold()] for name in names if name.casefold() in SPLIT_WORDS}
    return found if len(found) == len(names) and "train" in found.values() else {}
