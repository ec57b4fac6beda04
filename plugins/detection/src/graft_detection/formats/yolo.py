"""YOLO's text files: a line per object, in shares of the image; classes and splits in a YAML file. Torch-free."""

from __future__ import annotations

import math
import os
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from pydantic import BaseModel

from graft.data.coco import leads_out
from graft.data.reader import Reader
from graft.data.readers import SPLIT_WORDS, as_text, exists, is_file, is_hidden, is_image, require_path, twin_notes
from graft.data.samples import Catalogue, Sample
from graft.errors import DataError, Problem
from graft_detection.formats.geometry import Collector, Tally
from graft_detection.formats.yolo_yaml import Description, read_yaml
from graft_detection.options import YoloOptions
from graft_detection.sizes import image_size

_FARTHEST = 2.0
"""No box of shares reaches out so far; numbers beyond are pixels."""

_NAME_FILES = ("classes.txt", "obj.names")
_NOT_LABELS = frozenset({"classes.txt", "train.txt", "val.txt", "test.txt", "readme.txt"})


class YoloReader(Reader):
    """Reads `class x y width height` per line, centre and size in shares of the image; also outlines.

    The labels of `images/a.jpg` are in `labels/a.txt`, or beside the image. An image without a label file has no
    object. A YAML file's `path`, `train`, `val`, `test` must stay in the data's folder, unless they are absolute.
    """

    def detect(self, path: Path) -> str | None:
        """Return why `path` is read as YOLO: a YAML file with names, or folders of images and of labels."""
        if path.is_file():
            return "a YAML file" if path.suffix.lower() in (".yaml", ".yml") else None
        for folder, folders, names in os.walk(path):
            folders[:] = sorted(name for name in folders if not is_hidden(name))
            if "labels" in Path(folder).relative_to(path).parts and any(map(_is_label, names)):
                return f"text files in {Path(folder).relative_to(path.parent).as_posix()}"
        return None

    def read(self, path: Path, options: BaseModel) -> Catalogue:
        """Return the images with their objects.

        Raises:
            DataError: With every mistake in the labels, by file and line.
        """
        if not isinstance(options, YoloOptions):
            raise TypeError(f"YoloOptions are needed, not {type(options).__name__}")
        require_path(path, "data")
        yolo = _Yolo(path.parent if path.is_file() else path)
        samples = yolo.read(path if path.is_file() else None)
        if yolo.problems:
            raise DataError(f"{path} cannot be used", problems=yolo.problems, fix="correct these places")
        if not samples:
            raise DataError(f"{path} has no image", fix="images go to images/, their labels to labels/")
        return Catalogue(
            samples=tuple(sorted(samples, key=lambda sample: sample.id)),
            classes=tuple(yolo.names),
            reader="yolo",
            root=yolo.root,
            notes=(*yolo.notes, *yolo.tally.notes(), *twin_notes(yolo.names)),
        )


@dataclass
class _Yolo:
    """A data set, and what is wrong with it."""

    root: Path
    tally: Tally = field(default_factory=Tally)
    problems: list[Problem] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    names: list[str] = field(default_factory=list)
    points: bool = False

    def read(self, yaml: Path | None) -> list[Sample]:
        if yaml is not None:
            description = read_yaml(yaml)
            pairs = list(self.described(yaml, description))
        else:
            description = self.names_of_folder()
            pairs = list(self.laid_out())
        splits = self.divided(pairs)
        if self.problems:
            return []
        self.names = list(description.names)
        self.points = description.points
        if self.points:
            self.notes.append("the key points of objects are not looked at")
        lines = {image: _label_file(image) for image, _ in pairs}
        if not self.names:
            highest = max((_first(line) for file in lines.values() for line in _lines(file)), default=-1)
            self.names = [str(number) for number in range(highest + 1)]
            self.notes.append("nothing names the classes (a YAML file, classes.txt): they are called by their numbers")
        samples = [self.sample(image, lines[image], split) for image, split in splits.items()]
        self.stray(set(lines.values()))
        return samples

    def divided(self, pairs: Sequence[tuple[Path, str | None]]) -> dict[Path, str | None]:
        """Return the split of each image, and note which splits share images; a link is an image of its own."""
        splits: dict[Path, str | None] = {}
        common: dict[tuple[str | None, str | None], list[Path]] = defaultdict(list)
        for image, split in pairs:
            if (known := splits.setdefault(image, split)) != split:
                common[split, known].append(image)
        for (split, known), images in common.items():
            what = f"{len(images)} of its images are in {known}, too: {images[0].name} …"
            self.problems.append(Problem(f"{split}", what, f"take {split} out, and a part is drawn for it"))
        return splits

    def described(self, yaml: Path, description: Description) -> Iterator[tuple[Path, str | None]]:
        """Yield the images that a YAML file names, and their splits."""
        base = description.base(yaml, self.problems)
        for split, name, where in description.places:
            if (place := description.inside(base, name, where, self.problems, self.notes)) is None:
                continue
            if not exists(place):
                hint = f"name the folder instead, and the images are looked for: data.train={yaml.parent}"
                self.problems.append(Problem(where, f"{place} does not exist", hint))
            elif place.is_dir():
                yield from ((image, split) for image in _images(place))
            else:
                yield from ((image, split) for image in self.listed(place))
        if not description.places:
            self.problems.append(Problem(yaml.name, "names no images", "train: images/train, and perhaps val and test"))

    def listed(self, file: Path) -> Iterator[Path]:
        """Yield the images in a list, one per line, relative to the list's folder."""
        for line, text in enumerate(file.read_text("utf-8", errors="replace").splitlines(), 1):
            if name := text.strip():
                path = Path(os.path.normpath(file.parent / name))
                if "\0" in name:
                    self.problems.append(Problem(f"{file.name} line {line}", f"{name!r} is no path"))
                elif not Path(name).is_absolute() and leads_out(name) and not path.is_relative_to(self.root):
                    what = f"{name!r} leads out of the data's folder"
                    self.problems.append(Problem(f"{file.name} line {line}", what, "write it as an absolute path"))
                else:
                    yield path

    def laid_out(self) -> Iterator[tuple[Path, str | None]]:
        """Yield the images below folders `images`, and the split that a folder's name says."""
        found = list(_images(self.root))
        several = [image for image in found if "images" in image.relative_to(self.root).parts[:-1]]
        for image in several or found:
            parts = image.relative_to(self.root).parts[:-1]
            words = (SPLIT_WORDS.get(part.casefold().rstrip("0123456789")) for part in parts)
            yield image, next((word for word in words if word is not None), None)

    def names_of_folder(self) -> Description:
        """Return the classes of a folder: of its one YAML file, or of a file with a name per line."""
        found = (file for ext in ("yaml", "yml") for file in self.root.glob(f"*.{ext}"))
        yamls = sorted(file for file in found if not is_hidden(file.name))
        if len(yamls) == 1:
            return read_yaml(yamls[0])
        if len(yamls) > 1:
            listed = " or ".join(f"data.train={file}" for file in yamls)
            raise DataError(f"{self.root} has {len(yamls)} YAML files, and one names the classes", fix=listed)
        for name in _NAME_FILES:
            for file in (self.root / name, self.root / "labels" / name):
                if file.is_file():
                    lines = file.read_text("utf-8", errors="replace").splitlines()
                    return Description(names=tuple(line.strip() for line in lines if line.strip()))
        return Description()

    def sample(self, image: Path, label: Path, split: str | None) -> Sample:
        name = image.relative_to(self.root) if image.is_relative_to(self.root) else image
        size = image_size(image)
        collector = Collector(size, self.tally, self.problems)
        ident = as_text(name.as_posix())
        if not is_file(label):
            self.tally.add("unlabelled", ident)
        # What cannot be opened is the check of the images to refuse; its shares are kept as they are.
        height, width = size or (1, 1)
        place = as_text(label.relative_to(self.root).as_posix() if label.is_relative_to(self.root) else str(label))
        for number, text in enumerate(_lines(label), 1):
            if text.strip():
                self.line(f"{place} line {number}", text.split(), (width, height), collector)
        return Sample(id=ident, path=image, target=collector.objects(), split=split, where=place)

    def line(self, where: str, words: Sequence[str], scale: tuple[int, int], collector: Collector) -> None:
        """Add what a line says."""
        if self.points:
            words = words[:5]
        if len(words) != 5 and (len(words) < 7 or len(words) % 2 == 0):
            what = f"{len(words)} values, where class, x, y, width, height are expected"
            self.problems.append(Problem(where, what, "or a class and the corners of an outline"))
            return
        try:
            values = [float(word) for word in words]
            if not all(map(math.isfinite, values)) or any("_" in word for word in words):
                raise ValueError
        except ValueError:
            self.problems.append(Problem(where, f"{' '.join(words)[:60]!r}: a value is no finite number"))
            return
        number, rest = values[0], values[1:]
        if number != int(number) or not 0 <= number < len(self.names):
            there = f"0 to {len(self.names) - 1}" if self.names else "none"
            self.problems.append(Problem(where, f"the class {words[0]} is none", f"the numbers are {there}"))
            return
        if max(map(abs, rest)) > _FARTHEST:
            what = f"{' '.join(words)[:60]!r} is not in shares of the image"
            self.problems.append(Problem(where, what, "divide by its width and height"))
            return
        if len(words) == 5:
            x, y, w, h = rest
            if w < 0 or h < 0:
                self.problems.append(Problem(where, f"a negative size: {' '.join(words)}"))
                return
            box = (x - w / 2, y - h / 2, x + w / 2, y + h / 2)
        else:
            self.tally.add("polygon", where)
            box = (min(rest[::2]), min(rest[1::2]), max(rest[::2]), max(rest[1::2]))
        width, height = scale
        corners = (box[0] * width, box[1] * height, box[2] * width, box[3] * height)
        collector.add(where, self.names[int(number)], corners)

    def stray(self, used: set[Path]) -> None:
        """Count the label files of no image."""
        for folder in sorted({file.parent for file in used}):
            for file in sorted(folder.glob("*.txt")) if folder.is_dir() else ():
                if file not in used and _is_label(file.name):
                    inside = file.is_relative_to(self.root)
                    self.tally.add("stray", file.relative_to(self.root).as_posix() if inside else str(file))


def _images(folder: Path) -> Iterator[Path]:
    for place, folders, names in os.walk(folder):
        folders[:] = sorted(name for name in folders if not is_hidden(name))
        for name in sorted(names):
            if is_image(name) and not is_hidden(name):
                yield Path(place, name)


def _label_file(image: Path) -> Path:
    """Return where the labels of an image are: in `labels` in the place of the last `images`, or beside it."""
    beside = image.with_suffix(".txt")
    parts = list(image.parts)
    for index in range(len(parts) - 2, -1, -1):
        if parts[index] == "images":
            parts[index] = "labels"
            apart = Path(*parts).with_suffix(".txt")
            return beside if is_file(beside) and not is_file(apart) else apart
    return beside


def _lines(file: Path) -> list[str]:
    return file.read_text("utf-8", errors="replace").splitlines() if is_file(file) else []


def _first(line: str) -> int:
    word = line.split(maxsplit=1)[0] if line.strip() else ""
    return int(word) if word.isdecimal() and len(word) < 5 else -1


def _is_label(name: str) -> bool:
    return name.endswith(".txt") and name.casefold() not in _NOT_LABELS
