"""COCO's JSON: one file, or one for each split. Torch-free."""

from __future__ import annotations

import json
import re
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NoReturn

from pydantic import BaseModel

from graft.data.reader import Reader
from graft.data.readers import SPLIT_WORDS, as_text, require_path, twin_notes
from graft.data.samples import Catalogue, Sample
from graft.errors import DataError, Problem, did_you_mean
from graft_detection.formats.geometry import Collector, Tally, true_size
from graft_detection.formats.places import image_root, inside, leads_out
from graft_detection.options import CocoOptions

_LISTS = ("images", "annotations", "categories")
_HEAD = 4096


class CocoReader(Reader):
    """Reads `images`, `annotations` (their `bbox`, `iscrowd`, `area`) and `categories`.

    Classes are in the order of their category ids, which may have gaps; all of them count, also those without objects.
    Outlines (`segmentation`) are not looked at.
    """

    def detect(self, path: Path) -> str | None:
        """Return why `path` is read as COCO: a JSON file with such a key, or a folder of them by split."""
        if path.is_file():
            return "a JSON file with images and annotations" if _looks_like(path) else None
        found = _files(path)
        return (
            f"{', '.join(file.relative_to(path).as_posix() for file, _ in found)} in COCO's format" if found else None
        )

    def read(self, path: Path, options: BaseModel) -> Catalogue:
        """Return the images with their objects.

        Raises:
            DataError: With every mistake in the file, each naming its place in it.
        """
        if not isinstance(options, CocoOptions):
            raise TypeError(f"CocoOptions are needed, not {type(options).__name__}")
        require_path(path, "data")
        files = [(path, None)] if path.is_file() else _files(path)
        if not files:
            raise DataError(f"{path} has no JSON file in COCO's format", fix="data.train=FOLDER/annotations.json")
        root = path.parent if path.is_file() else path
        tally, problems, samples = Tally(), [], []
        names: dict[str, dict[int, str]] = {}
        for file, split in files:
            document = _Document(file, root, options, tally)
            samples += document.read(split)
            problems += document.problems
            names[file.name] = document.names
        problems += _contradictions(names)
        if problems:
            raise DataError(f"{path} cannot be used", problems=problems, fix="correct these places")
        if not samples:
            raise DataError(f"{path} lists no image")
        merged = {number: name for own in names.values() for number, name in own.items()}
        classes = tuple(merged[number] for number in sorted(merged))
        return Catalogue(
            samples=tuple(sorted(samples, key=lambda sample: sample.id)),
            classes=classes,
            reader="coco",
            root=root,
            notes=(*tally.notes(), *twin_notes(classes), *_passed_over(files)),
            numbers={name: number for number, name in merged.items()},
        )


@dataclass
class _Document:
    """One file, and what is wrong with it."""

    file: Path
    root: Path
    options: CocoOptions
    tally: Tally
    problems: list[Problem] = field(default_factory=list)
    names: dict[int, str] = field(default_factory=dict)

    def read(self, split: str | None) -> list[Sample]:
        content = _load(self.file)
        if not isinstance(content, dict):
            raise DataError(f"{self.file} is a JSON {_kind(content)}, and COCO's is an object with {', '.join(_LISTS)}")
        for key in _LISTS:
            if not isinstance(content.get(key), list):
                what = f"is a {_kind(content[key])}" if key in content else "is missing"
                self.note(key, f"{what}, where a list is expected", did_you_mean(key, set(content) - set(_LISTS)))
        if self.problems:
            return []
        self.categories(content["categories"])
        images = self.images(content["images"])
        objects = self.annotations(content["annotations"], images)
        folder = self.folder([row["file_name"] for row in images.values()])
        samples = []
        for number, row in images.items():
            path = inside(folder, row["file_name"])
            where = f"{self.file.name} {row['where']}"
            size = true_size(path, row["size"], where=where, problems=self.problems)
            collector = Collector(size, self.tally, self.problems)
            for found in objects.get(number, []):
                collector.add(**found)
            name = path.relative_to(self.root) if path.is_relative_to(self.root) else Path(row["file_name"])
            samples.append(
                Sample(id=as_text(name.as_posix()), path=path, target=collector.objects(), split=split, where=where)
            )
        return samples

    def categories(self, rows: list[Any]) -> None:
        first: dict[str, int] = {}
        for place, row in self.rows("categories", rows, ("id", "name")):
            number, name = row["id"], row["name"]
            if not _is_int(number):
                self.note(f"{place}.id", f"{number!r} is no whole number")
            elif not isinstance(name, str) or not name.strip():
                self.note(f"{place}.name", f"{name!r} is no name")
            elif number in self.names:
                self.note(f"{place}.id", f"the id {number} is there twice: {self.names[number]!r} and {name!r}")
            elif name in first:
                self.note(f"{place}.name", f"the name {name!r} is there twice, with the ids {first[name]} and {number}")
            else:
                self.names[number] = name
                first[name] = number

    def images(self, rows: list[Any]) -> dict[Any, dict[str, Any]]:
        found: dict[Any, dict[str, Any]] = {}
        files: dict[str, str] = {}
        for place, row in self.rows("images", rows, ("id", "file_name")):
            number, name = row["id"], row["file_name"]
            if not _is_int(number) and not isinstance(number, str):
                self.note(f"{place}.id", f"{number!r} is neither a whole number nor a text")
            elif number in found:
                self.note(f"{place}.id", f"the id {number!r} is that of {found[number]['where']}, too")
            elif not isinstance(name, str) or not name or "\0" in name:
                self.note(f"{place}.file_name", f"{name!r} is no name of a file")
            elif leads_out(name):
                what = f"{name!r} leads out of the images' folder"
                self.note(f"{place}.file_name", what, "write it relative to that folder, and name it: data.reader.root")
            elif name in files:
                self.note(f"{place}.file_name", f"{name!r} is that of {files[name]}, too")
            else:
                files[name] = place
                found[number] = {"file_name": name, "where": place, "size": self.size(place, row)}
        return found

    def size(self, place: str, row: Mapping[str, Any]) -> tuple[int, int] | None:
        width, height = row.get("width"), row.get("height")
        if width is None or height is None:
            return None
        for key, value in (("width", width), ("height", height)):
            if not _is_number(value) or value < 1 or value != int(value):
                self.note(f"{place}.{key}", f"{value!r} is no number of pixels")
                return None
        return int(height), int(width)

    def annotations(self, rows: list[Any], images: Mapping[Any, Any]) -> dict[Any, list[dict[str, Any]]]:
        found: dict[Any, list[dict[str, Any]]] = defaultdict(list)
        seen: dict[Any, str] = {}
        for place, row in self.rows("annotations", rows, ("image_id", "category_id", "bbox")):
            number, image, category, box = row.get("id"), row["image_id"], row["category_id"], row["bbox"]
            where = f"{self.file.name} {place}"
            if _is_int(number) or isinstance(number, str):
                if number in seen:
                    self.note(f"{place}.id", f"the id {number!r} is that of {seen[number]}, too")
                    continue
                seen[number] = place
            if not isinstance(image, (int, str)) or image not in images:
                self.tally.add("orphan", f"{where}: image_id {image!r}")
            elif not _is_int(category) or category not in self.names:
                known = ", ".join(map(str, sorted(self.names)[:10]))
                self.note(f"{place}.category_id", f"{category!r} is no category", f"there are {known}")
            elif not isinstance(box, list) or len(box) != 4 or not all(map(_is_number, box)):
                self.note(f"{place}.bbox", f"{_short(box)} is not four numbers: left, top, width, height")
            elif box[2] < 0 or box[3] < 0:
                self.note(f"{place}.bbox", f"{_short(box)} has a negative size", "left, top, width, height")
            elif (flags := self.flags(place, row)) is not None:
                left, top, width, height = map(float, box)
                corners = (left, top, left + width, top + height)
                found[image].append({"where": where, "label": self.names[category], "box": corners, **flags})
        return found

    def flags(self, place: str, row: Mapping[str, Any]) -> dict[str, Any] | None:
        """Return what else an annotation says, or None when that is wrong."""
        crowd, difficult, area = row.get("iscrowd", 0), row.get("difficult", 0), row.get("area")
        for key, value in (("iscrowd", crowd), ("difficult", difficult)):
            if value not in (0, 1):
                self.note(f"{place}.{key}", f"{value!r} is neither 0 nor 1")
                return None
        if area is not None and (not _is_number(area) or area < 0):
            self.note(f"{place}.area", f"{area!r} is no area")
            return None
        return {"crowd": bool(crowd), "difficult": bool(difficult), "area": None if area is None else float(area)}

    def rows(self, key: str, rows: list[Any], needed: tuple[str, ...]) -> Iterator[tuple[str, dict[str, Any]]]:
        for index, row in enumerate(rows):
            place = f"{key}[{index}]"
            if not isinstance(row, dict):
                self.note(place, f"is a {_kind(row)}, where an object is expected")
            elif missing := [name for name in needed if name not in row]:
                self.note(place, f"has no {' and no '.join(missing)}")
            else:
                yield place, row

    def folder(self, names: list[str]) -> Path:
        """Return the folder that the file names are relative to."""
        home = self.file.parent
        if self.options.root is not None:
            folder = home / self.options.root
            if not folder.is_dir():
                raise DataError(f"data.reader.root: {folder} is no folder", fix=f"it is relative to {home}")
            return folder
        # instances_train2017.json beside train2017/, also one folder up; images/ in either.
        stem = re.sub(r"^(instances|annotations|coco)[_-]|[_.-](annotations|coco)$", "", self.file.stem)
        candidates = [base / below for base in (home, home.parent) for below in ("", stem, "images", f"images/{stem}")]
        # Where everything is missing, the check of the images says so.
        return image_root(candidates, names) or home

    def note(self, place: str, what: str, hint: str | None = None) -> None:
        self.problems.append(Problem(f"{self.file.name} {place}", what, hint))


def _load(file: Path) -> Any:
    """Return a JSON file's content.

    Raises:
        DataError: When it is none.
    """

    def refuse(name: str) -> NoReturn:
        raise ValueError(f"{name} is no number")

    def once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        table = dict(pairs)
        if len(table) < len(pairs):
            keys = [key for key, _ in pairs]
            raise ValueError(f"the key {next(key for key in keys if keys.count(key) > 1)!r} is there twice")
        return table

    text = file.read_bytes()
    try:
        return json.loads(text.decode("utf-8-sig"), parse_constant=refuse, object_pairs_hook=once)
    except json.JSONDecodeError as error:
        raise DataError(f"{file.name} line {error.lineno}: no JSON: {error.msg}", fix="write the file again") from error
    except UnicodeDecodeError as error:
        raise DataError(f"{file.name} is no text in UTF-8", fix="save it as UTF-8") from error
    except RecursionError as error:
        raise DataError(f"{file.name} is nested too deeply for COCO's format", fix="write the file again") from error
    except ValueError as error:
        raise DataError(f"{file.name}: no JSON: {error}", fix="write the file again") from error


def _files(folder: Path) -> list[tuple[Path, str | None]]:
    """Return the files of a folder that are in COCO's format, and the split that the name of each says."""
    places = [folder, folder / "annotations", *(folder / word for word in sorted(SPLIT_WORDS))]
    found = []
    for place in places:
        for file in sorted(place.glob("*.json")) if place.is_dir() else ():
            if _looks_like(file):
                word = place.name if place.name in SPLIT_WORDS and place != folder else file.stem
                found.append((file, _split_in(word)))
    # One file for all of it, or one for each split; captions and key points of the same images are other tasks.
    boxes = [pair for pair in found if not re.match(r"(captions|person_keypoints|panoptic)_", pair[0].name)]
    splits = [split for _, split in boxes]
    return boxes if len(boxes) == 1 or (None not in splits and len(set(splits)) == len(splits)) else []


def _passed_over(files: Sequence[tuple[Path, str | None]]) -> Iterator[str]:
    """Yield a note for each file that is called as a split is, beside those that are read, and is none of COCO's."""
    if not any(split for _, split in files):
        return
    for folder in sorted({file.parent for file, _ in files}):
        for file in sorted(folder.glob("*.json")):
            if _split_in(file.stem) is not None and not _looks_like(file):
                yield f"{file.name} is passed over: it is not in COCO's format"


def _split_in(name: str) -> str | None:
    words = (SPLIT_WORDS.get(word.casefold()) for word in re.split(r"[^A-Za-z]+", name))
    return next((word for word in words if word is not None), None)


def _looks_like(file: Path) -> bool:
    """Return whether a file may be in COCO's format: by what stands at its beginning or end, and its name."""
    if file.suffix.lower() != ".json":
        return False
    try:
        with file.open("rb") as stream:
            head = stream.read(_HEAD)
            stream.seek(max(0, file.stat().st_size - _HEAD))
            tail = stream.read(_HEAD)
    except OSError:
        return False
    begins = head.removeprefix(b"\xef\xbb\xbf").lstrip().startswith(b"{")
    return begins and any(b'"%s"' % key.encode() in head + tail for key in ("annotations", "images"))


def _contradictions(names: Mapping[str, Mapping[int, str]]) -> list[Problem]:
    """Return where two files give one id two names, or one name two ids."""
    problems = []
    first: dict[int, tuple[str, str]] = {}
    ids: dict[str, tuple[int, str]] = {}
    for file, own in names.items():
        for number, name in own.items():
            known, where = first.setdefault(number, (name, file))
            if known != name:
                problems.append(
                    Problem(f"{file} categories", f"the id {number} is {name!r} here, {known!r} in {where}")
                )
                continue
            other, where = ids.setdefault(name, (number, file))
            if other != number:
                problems.append(Problem(f"{file} categories", f"{name!r} has the id {number} here, {other} in {where}"))
    return problems


def _is_int(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _is_number(value: Any) -> bool:
    # Whole numbers of hundreds of digits are no float.
    return (_is_int(value) and abs(value) < 2**53) or (isinstance(value, float) and abs(value) < 1e15)


def _kind(value: Any) -> str:
    kinds = {dict: "object", list: "list", str: "text", bool: "truth value", int: "number", float: "number"}
    return kinds.get(type(value), "null")


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else text[:60] + "…"
