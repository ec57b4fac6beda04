"""Images in one folder per class, with or without folders for train, val and test above. Torch-free."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from pydantic import BaseModel

from graft.data.decoder import Decoder
from graft.data.options import FolderOptions
from graft.data.reader import Reader
from graft.data.readers._files import (
    SPLIT_WORDS,
    as_text,
    class_problems,
    classes_of,
    folders_in,
    is_empty,
    is_hidden,
    require_path,
    split_folders,
    twin_notes,
    walk,
)
from graft.data.samples import SPLITS, Catalogue, Sample
from graft.errors import DataError, Problem

_LAYOUT = "put the images into one folder per class: {root}/cat/1.jpg, {root}/dog/2.jpg"
# Parts of an annotated data set, not classes: read as classes they would train without a complaint.
_PARTS = frozenset(
    {
        *("image", "images", "img", "imgs", "jpegimages"),
        *("mask", "masks", "label", "labels", "annotation", "annotations", "groundtruth", "gt"),
    }
)


class FolderReader(Reader):
    """Reads `class/*.jpg` and `train|val|test/class/*.jpg`; images may lie deeper inside a class's folder.

    Links are followed, each folder once. Targets are tuples with the one class name.
    """

    def detect(self, path: Path) -> str | None:
        """Return why `path` is read as folders: it is one, and there is something in it."""
        if not path.is_dir() or is_empty(path):
            return None
        parts = split_folders(path)
        if parts:
            return f"a folder with {', '.join(sorted((part.name for part in parts), key=_split_order))}"
        return "a folder with one folder per class"

    def read(self, path: Path, options: BaseModel) -> Catalogue:
        """Return the images below `path`, by the folders they lie in.

        Raises:
            DataError: When the layout is another one, a class has no image, or a class is in val or test alone; the
                text says which layout fits.
        """
        if not isinstance(options, FolderOptions):
            raise TypeError(f"FolderOptions are needed, not {type(options).__name__}")
        require_path(path, "data")
        if not path.is_dir():
            raise DataError(
                f"{path} is a file, and the reader 'folder' needs a folder", fix=_LAYOUT.format(root="DATA")
            )
        scan = _Scan(path, options, self.decoder)
        try:
            parts = split_folders(path)
            if parts:
                scan.read_splits(parts)
            else:
                scan.read_classes(path, None)
        except OSError as error:
            raise DataError(f"{error.filename} cannot be listed: {error.strerror}", fix="make it readable") from error
        problems = scan.problems or class_problems(scan.samples, str(path))
        if problems:
            raise DataError(
                f"{path} cannot be read as a folder per class",
                problems=problems,
                fix=scan.fix or "rename these folders",
            )
        samples = tuple(sorted(scan.samples, key=lambda sample: sample.id))
        classes = tuple(classes_of(samples))
        return Catalogue(
            samples=samples,
            classes=classes,
            reader="folder",
            root=path,
            notes=(*scan.notes(), *twin_notes(classes)),
        )


@dataclass
class _Scan:
    root: Path
    options: FolderOptions
    decoder: Decoder
    samples: list[Sample] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)
    fix: str | None = None
    hidden: int = 0
    passed: Counter[str] = field(default_factory=Counter)
    outside: int = 0
    in_folders: int = 0

    def read_splits(self, parts: list[Path]) -> None:
        by_split: dict[str, Path] = {}
        for part in parts:
            split = SPLIT_WORDS[part.name.casefold()]
            if split in by_split:
                self.problems.append(Problem(self.name(part), f"{self.name(by_split[split])} is {split} already"))
            by_split[split] = part
        if "train" not in by_split:
            names = " and ".join(part.name for part in parts)
            self.problems.append(Problem(str(self.root), f"has {names}, but no folder train"))
            self.fix = f"add {self.root / 'train'}, or name the two with data.train= and data.test="
        self.look_beside(self.root)
        for folder in folders_in(self.root):
            if folder not in parts and next(self.images(folder), None):
                self.problems.append(Problem(self.name(folder), "a folder with images beside those of the splits"))
                self.fix = self.fix or f"move it elsewhere, or name the parts: data.train={self.root / 'train'} …"
        for split in SPLITS:
            if split in by_split:
                self.read_classes(by_split[split], split)

    def read_classes(self, top: Path, split: str | None) -> None:
        folders = self.class_folders(top)
        if not folders:
            self.no_classes(top)
            return
        if self.are_parts(folders, top):
            return
        if split is None and self.options.class_level == 1 and self.is_too_shallow(folders):
            return
        self.in_folders += all(folders_in(folder) and not self.has_image(folder) for folder in folders)
        for folder in folders:
            found = list(self.images(folder))
            if not found:
                self.problems.append(Problem(self.name(folder), "the class folder has no image" + _contents(folder)))
                self.fix = self.fix or "add images to it, or remove the folder"
            self.samples += [self.sample(image, folder, top, split) for image in found]
        if len(folders) == 1 and split is None:
            self.only_one(folders[0])

    def class_folders(self, top: Path) -> list[Path]:
        level = [top]
        for _ in range(self.options.class_level):
            for folder in level:
                self.look_beside(folder)
            level = [inner for folder in level for inner in folders_in(folder)]
        return level

    def are_parts(self, folders: list[Path], top: Path) -> bool:
        """Note a problem when the folders are named as the parts of a data set, `images` and `masks`."""
        if not all(folder.name.casefold() in _PARTS for folder in folders):
            return False
        names = " and ".join(folder.name for folder in folders)
        self.problems.append(Problem(self.name(top), f"has {names} where the class folders should be"))
        own = _LAYOUT.format(root=top)
        self.fix = _table_hint(top) or f"{own}; for masks or boxes of the images, take their task: graft --help"
        return True

    def is_too_shallow(self, folders: list[Path]) -> bool:
        """Note a problem when the folders look like groups that all have the same class folders."""
        inner = [{child.name for child in folders_in(folder)} for folder in folders]
        if len(folders) < 2 or any(self.has_image(folder) for folder in folders):
            return False
        common = set.intersection(*inner)
        if len(common) < 2:
            return False
        shown = ", ".join(sorted(common)[:3])
        first, second = folders[0], folders[1]
        self.problems.append(
            Problem(
                str(self.root),
                f"the folders {first.name} and {second.name} have no image of their own, but the same folders inside "
                f"({shown} …): the classes seem to lie one level deeper",
            )
        )
        self.fix = (
            f"train on one and test on another: data.train={first} data.test={second}; or take all of them, as groups "
            "that are never divided: data.reader.kind=folder data.reader.class_level=2; or, where each inner folder is "
            "a sequence of images, data.reader.kind=sequences"
        )
        return True

    def only_one(self, folder: Path) -> None:
        inner = folders_in(folder)
        if len(inner) > 1 and not self.has_image(folder):
            self.problems.append(
                Problem(
                    str(self.root), f"has one folder, {folder.name}, whose {len(inner)} folders look like the classes"
                )
            )
            self.fix = f"data.train={folder}"

    def no_classes(self, top: Path) -> None:
        if self.options.class_level > 1:
            self.problems.append(Problem(self.name(top), f"no folder at class_level = {self.options.class_level}"))
            self.fix = f"data.reader.class_level={self.options.class_level - 1}"
            return
        self.fix = _LAYOUT.format(root=top)
        here = sum(self.decoder.reads(entry) for entry in top.iterdir())
        hint = _table_hint(top)
        if hint:
            self.problems.append(Problem(self.name(top), "no class folders, but a table"))
            self.fix = f"{hint}; else {self.fix}"
        elif here:
            self.problems.append(Problem(self.name(top), f"{here} images lie in it directly, without class folders"))
            self.fix += ", or list them in a table with the columns path and label"
        else:
            self.problems.append(Problem(self.name(top), "no class folders and no images"))

    def images(self, folder: Path) -> Iterator[Path]:
        """Yield the images below `folder`, each folder once, and count what is passed over."""
        for here, names in walk(folder):
            for name in names:
                if is_hidden(name):
                    self.hidden += 1
                elif self.decoder.reads(here / name):
                    yield here / name
                else:
                    self.passed[Path(name).suffix.lower() or "without a suffix"] += 1

    def look_beside(self, folder: Path) -> None:
        """Count the files that lie beside folders, where no image is looked for."""
        for entry in os.scandir(folder):
            if is_hidden(entry.name):
                self.hidden += not entry.is_dir()
            elif not entry.is_dir() and self.decoder.reads(Path(entry)):
                self.outside += 1

    def has_image(self, folder: Path) -> bool:
        return any(not entry.is_dir() and self.decoder.reads(Path(entry)) for entry in os.scandir(folder))

    def sample(self, image: Path, folder: Path, top: Path, split: str | None) -> Sample:
        name = self.name(image)
        group = as_text(folder.parent.relative_to(top).as_posix()) if self.options.class_level > 1 else None
        return Sample(id=name, path=image, target=(as_text(folder.name),), group=group, split=split)

    def name(self, path: Path) -> str:
        return as_text(path.relative_to(self.root).as_posix() if path != self.root else str(path))

    def notes(self) -> Iterator[str]:
        if self.passed:
            kinds = ", ".join(f"{count} {suffix}" for suffix, count in sorted(self.passed.items()))
            yield f"passed over {self.passed.total()} files that are no images ({kinds})"
        if self.hidden:
            yield f"passed over {self.hidden} hidden files"
        if self.outside:
            yield f"passed over {self.outside} images that lie outside of every class folder"
        if self.in_folders:
            yield (
                "every class has folders alone: where each of them is a sequence of images, data.reader.kind=sequences "
                "reads it as one"
            )


def _split_order(name: str) -> int:
    return SPLITS.index(SPLIT_WORDS[name.casefold()])


def _table_hint(folder: Path) -> str | None:
    for entry in sorted(folder.iterdir()):
        if entry.suffix.lower() in (".csv", ".tsv"):
            return f"if the table has the labels: data.train={entry}"
    return None


def _contents(folder: Path) -> str:
    kinds = Counter(Path(name).suffix.lower() for _, _, names in os.walk(folder) for name in names if name[0] != ".")
    shown = ", ".join(f"{count} {suffix or 'without a suffix'}" for suffix, count in kinds.most_common(3))
    return f", but {shown}" if shown else ""
