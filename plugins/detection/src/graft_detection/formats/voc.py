"""Pascal VOC: one XML file per image, and lists of names for the splits. Torch-free."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path

from pydantic import BaseModel

from graft.data.reader import Reader
from graft.data.readers import IMAGE_SUFFIXES, SPLIT_WORDS, as_text, is_hidden, require_path, twin_notes
from graft.data.samples import Catalogue, Sample
from graft.errors import DataError, Problem
from graft_detection.formats.geometry import Collector, Tally, true_size
from graft_detection.formats.safexml import BadXml, Element, parse
from graft_detection.options import VocOptions

_LOOKED_AT = 20
_EDGES = ("xmin", "ymin", "xmax", "ymax")


class VocReader(Reader):
    """Reads `Annotations/*.xml` with images in `JPEGImages`, or XML files beside their images, and `ImageSets`.

    Corners are the numbers of pixels that still belong to the object: a box from 1 to 640 is 640 pixels wide, and
    one from 7 to 7 is one pixel wide, which is counted. One whose corners are the same pixel is left out as empty:
    nobody marks a single pixel on purpose. Rectangles alone are read.
    """

    def detect(self, path: Path) -> str | None:
        """Return why `path` is read as Pascal VOC: it has XML files of annotations."""
        folder = _annotations(path) if path.is_dir() else None
        if folder is None:
            return None
        return f"{sum(1 for _ in folder.glob('*.xml'))} XML files in {folder.relative_to(path.parent).as_posix()}"

    def read(self, path: Path, options: BaseModel) -> Catalogue:
        """Return the images with their objects.

        Raises:
            DataError: With every mistake in the annotations, by file and line.
        """
        if not isinstance(options, VocOptions):
            raise TypeError(f"VocOptions are needed, not {type(options).__name__}")
        require_path(path, "data")
        folder = _annotations(path) if path.is_dir() else None
        if folder is None:
            raise DataError(f"{path} has no XML files of annotations", fix="name the folder that has Annotations/*.xml")
        voc = _Voc(path, folder, options)
        samples = voc.read()
        if voc.problems:
            raise DataError(f"{path} cannot be used", problems=voc.problems, fix="correct these places")
        if not samples:
            raise DataError(f"{path}: no annotated image is left")
        classes = tuple(sorted({name for sample in samples for name in sample.target.labels}))
        return Catalogue(
            samples=tuple(sorted(samples, key=lambda sample: sample.id)),
            classes=classes,
            reader="voc",
            root=path,
            notes=(*voc.tally.notes(), *voc.notes, *twin_notes(classes)),
        )


@dataclass
class _Voc:
    """A data set, and what is wrong with it."""

    root: Path
    folder: Path
    options: VocOptions
    tally: Tally = field(default_factory=Tally)
    problems: list[Problem] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    zeros: int = 0

    def read(self) -> list[Sample]:
        splits = self.splits()
        images = self.images()
        files = sorted(file for file in self.folder.glob("*.xml") if not is_hidden(file.name))
        left = {file for file in files if splits and file.stem not in splits}
        if left:
            self.notes.append(f"{len(left)} annotated images are in no list of ImageSets, and are left out")
        samples = [self.sample(file, splits.get(file.stem), images) for file in files if file not in left]
        names = {file.stem for file in files}
        for name in sorted(set(splits) - names):
            self.problems.append(Problem(f"ImageSets: {name}", f"no file {self.folder.name}/{name}.xml"))
        if self.zeros and self.options.one_based:
            self.notes.append(
                f"{self.zeros} boxes begin at pixel 0, where the first pixel is 1: should the data count from 0, set "
                "data.reader.kind=voc data.reader.one_based=false"
            )
        return samples

    def splits(self) -> dict[str, str]:
        """Return the split of each name in the lists of `ImageSets`; nothing where there are none."""
        folder = self.root / "ImageSets" / (self.options.sets or "Main")
        if not folder.is_dir():
            if self.options.sets is not None:
                raise DataError(f"data.reader.sets: there is no folder {folder}")
            return {}
        found: dict[str, str] = {}
        for file in sorted(folder.glob("*.txt")):
            split = SPLIT_WORDS.get(file.stem.casefold())
            if split is None:
                continue
            for line, text in enumerate(file.read_text("utf-8", errors="replace").splitlines(), 1):
                name = text.strip()
                if not name:
                    continue
                where = f"ImageSets/{folder.name}/{file.name} line {line}"
                if any(mark in name for mark in ("/", "\\", "\0")):
                    self.problems.append(Problem(where, f"{name!r} is no name of an annotation"))
                elif found.get(name, split) != split:
                    self.problems.append(Problem(where, f"{name} is in {found[name]} already"))
                else:
                    found[name] = split
        return found

    def images(self) -> Mapping[str, list[Path]]:
        """Return the image files by the stem of their name."""
        folder = self.root / "JPEGImages"
        folders = [folder] if folder.is_dir() else [self.folder, self.root, self.root / "images"]
        found: dict[str, list[Path]] = {}
        for place in folders:
            for file in sorted(place.iterdir()) if place.is_dir() else ():
                if file.suffix.lower() in IMAGE_SUFFIXES and not is_hidden(file.name):
                    own = found.setdefault(file.stem, [])
                    if file not in own:
                        own.append(file)
        return found

    def sample(self, file: Path, split: str | None, images: Mapping[str, list[Path]]) -> Sample:
        place = f"{self.folder.name}/{as_text(file.name)}"
        try:
            top = parse(file)
        except BadXml as error:
            self.problems.append(error.problem(place))
            top = Element("annotation", 1)
        except OSError as error:
            self.problems.append(Problem(place, f"cannot be read: {error.strerror or error}"))
            top = Element("annotation", 1)
        if top.name != "annotation":
            self.note(place, top, f"<{top.name}>, where <annotation> is expected")
        path = self.image(file, top, images)
        size = true_size(path, self.size(place, top), where=place, problems=self.problems)
        collector = Collector(size, self.tally, self.problems)
        for element in top.all("object"):
            self.object(place, element, collector)
        name = path.relative_to(self.root) if path.is_relative_to(self.root) else Path(path.name)
        return Sample(id=as_text(name.as_posix()), path=path, target=collector.objects(), split=split, where=place)

    def image(self, file: Path, top: Element, images: Mapping[str, list[Path]]) -> Path:
        """Return the image of an annotation: the one with its name; `filename` tells which one of several."""
        element = top.find("filename")
        # The name alone: what folder the annotator had it in says nothing about this machine.
        said = element.text.strip().replace("\\", "/").rsplit("/", 1)[-1] if element is not None else ""
        own = images.get(file.stem) or images.get(Path(said).stem) or []
        named = [path for path in own if path.name == said]
        if named or own:
            return (named or own)[0]
        home = self.root / "JPEGImages"
        usable = said if said not in ("", ".", "..") and "\0" not in said else f"{file.stem}.jpg"
        return (home if home.is_dir() else self.folder) / usable

    def size(self, place: str, top: Element) -> tuple[int, int] | None:
        """Return the (H, W) that is said; 0 stands for what was not known."""
        values = []
        for key in ("height", "width"):
            element = top.find("size", key)
            if element is None:
                return None
            number = _number(element.text)
            if number is None or number < 0 or number != int(number):
                self.note(place, element, f"<{key}>{element.text[:30]}</{key}> is no number of pixels")
                return None
            values.append(int(number))
        return (values[0], values[1]) if all(values) else None

    def object(self, place: str, element: Element, collector: Collector) -> None:
        name, box = element.find("name"), element.find("bndbox")
        if name is None or not name.text.strip():
            self.note(place, element, "an object without a <name>")
            return
        if box is None:
            self.note(place, element, "an object without a <bndbox>", "only rectangles are read")
            return
        edges = []
        for key in _EDGES:
            edge = box.find(key)
            number = _number(edge.text) if edge is not None else None
            if number is None:
                what = f"<{key}>{edge.text[:30]}</{key}> is no number" if edge is not None else f"no <{key}>"
                self.note(place, edge or box, what)
                return
            edges.append(number)
        flag = element.find("difficult")
        said = flag.text.strip() if flag is not None else "0"
        if said not in ("0", "1", ""):
            self.note(place, flag or element, f"<difficult>{said[:30]}</difficult> is neither 0 nor 1")
            return
        left, top, right, bottom = edges
        first = int(self.options.one_based)
        where = f"{place} line {element.line}"
        if right < left or bottom < top or (right == left and bottom == top):
            # Refused or left out: with the numbers that are written there.
            corners = (left, top, right, bottom)
        else:
            corners = (left - first, top - first, right - first + 1, bottom - first + 1)
            if right == left or bottom == top:
                self.tally.add("thin", where)
        self.zeros += int(left == 0 or top == 0)
        collector.add(where, name.text.strip(), corners, difficult=said == "1")

    def note(self, place: str, element: Element, what: str, hint: str | None = None) -> None:
        self.problems.append(Problem(f"{place} line {element.line}", what, hint))


def _annotations(path: Path) -> Path | None:
    """Return the folder of a data set's XML files: `Annotations`, or itself."""
    for folder in (path / "Annotations", path):
        files = (file for file in sorted(folder.glob("*.xml")) if not is_hidden(file.name)) if folder.is_dir() else ()
        if any(map(_looks_like, islice(files, _LOOKED_AT))):
            return folder
    return None


def _looks_like(file: Path) -> bool:
    try:
        with file.open("rb") as stream:
            return b"<annotation" in stream.read(2000)
    except OSError:
        return False


def _number(text: str) -> float | None:
    try:
        value = float(text.strip())
    except ValueError:
        return None
    return value if math.isfinite(value) and "_" not in text else None
