"""COCO's JSON, as far as tasks read it alike: files by split, categories, and images with their files. Torch-free."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import Any, NoReturn

from graft.data.readers import SPLIT_WORDS, as_text, exists, is_file, is_hidden
from graft.errors import DataError, Problem, did_you_mean

_LISTS = ("images", "annotations", "categories")
_HEAD = 4096
_LOOKED_AT = 20


@dataclass(frozen=True, kw_only=True)
class CocoImage:
    """An entry of `images`.

    Args:
        id: Stable name: the path relative to the data's root, or the file's name as it stands there.
        path: The file, which need not exist.
        size: (H, W) as the entry says; None where it does not.
        where: Where the entry stands, as in `train.json images[3]`.
    """

    id: str
    path: Path
    size: tuple[int, int] | None
    where: str


@dataclass
class CocoFile:
    """One file in COCO's format, and what is wrong with it.

    Args:
        file: Where it is.
        root: Of the data: ids and places are relative to it.
    """

    file: Path
    root: Path
    names: dict[int, str] = field(default_factory=dict)
    """Class names by category id."""
    images: dict[Any, CocoImage] = field(default_factory=dict)
    """Images by their id in the file, a number or a text."""
    problems: list[Problem] = field(default_factory=list)
    _annotations: list[Any] = field(default_factory=list)

    @property
    def label(self) -> str:
        """What the file is called in messages: relative to the data's root."""
        inside = self.file.is_relative_to(self.root)
        return as_text(self.file.relative_to(self.root).as_posix() if inside else self.file.name)

    def annotations(self, *needed: str) -> Iterator[tuple[str, dict[str, Any]]]:
        """Yield place and content of each annotation that has these keys, and note those that have not.

        An id that is there twice is noted as well.
        """
        seen: dict[Any, str] = {}
        for place, row in self._rows("annotations", self._annotations, needed):
            number = row.get("id")
            if is_integer(number) or isinstance(number, str):
                if number in seen:
                    self.note(f"{place}.id", f"the id {number!r} is that of {seen[number]}, too")
                    continue
                seen[number] = place
            yield place, row

    def category(self, place: str, row: Mapping[str, Any]) -> str | None:
        """Return the class that an annotation is of, or None, noted, when it is of none."""
        number = row["category_id"]
        if is_integer(number) and number in self.names:
            return self.names[number]
        known = ", ".join(map(str, sorted(self.names)[:10]))
        self.note(f"{place}.category_id", f"{number!r} is no category", f"there are {known}")
        return None

    def note(self, place: str, what: str, hint: str | None = None) -> None:
        """Take down what is wrong at a place in the file."""
        self.problems.append(Problem(f"{self.label} {place}", what, hint))

    def _take(self, content: Mapping[str, Any], folder: str | None) -> None:
        for key in _LISTS:
            if not isinstance(content.get(key), list):
                what = f"is a {_kind(content[key])}" if key in content else "is missing"
                self.note(key, f"{what}, where a list is expected", did_you_mean(key, set(content) - set(_LISTS)))
        if self.problems:
            return
        if not content["images"]:
            self.note("images", "lists no image")
        self._take_categories(content["categories"])
        self._take_images(content["images"], folder)
        self._annotations = content["annotations"]

    def _take_categories(self, rows: list[Any]) -> None:
        first: dict[str, int] = {}
        for place, row in self._rows("categories", rows, ("id", "name")):
            number, name = row["id"], row["name"]
            if not is_integer(number):
                self.note(f"{place}.id", f"{number!r} is no whole number")
            elif not _is_name(name):
                self.note(f"{place}.name", f"{name!r} is no name")
            elif number in self.names:
                self.note(f"{place}.id", f"the id {number} is there twice: {self.names[number]!r} and {name!r}")
            elif name in first:
                self.note(f"{place}.name", f"the name {name!r} is there twice, with the ids {first[name]} and {number}")
            else:
                self.names[number] = name
                first[name] = number

    def _take_images(self, rows: list[Any], folder: str | None) -> None:
        found: dict[Any, tuple[str, str, tuple[int, int] | None]] = {}
        files: dict[str, str] = {}
        for place, row in self._rows("images", rows, ("id", "file_name")):
            number, name = row["id"], row["file_name"]
            if not is_integer(number) and not isinstance(number, str):
                self.note(f"{place}.id", f"{number!r} is neither a whole number nor a text")
            elif number in found:
                self.note(f"{place}.id", f"the id {number!r} is that of {found[number][1]}, too")
            elif not _is_name(name) or "\0" in name:
                self.note(f"{place}.file_name", f"{name!r} is no name of a file")
            elif leads_out(name):
                what = f"{name!r} leads out of the images' folder"
                self.note(f"{place}.file_name", what, "write it relative to that folder, and name it: data.reader.root")
            elif name in files:
                self.note(f"{place}.file_name", f"{name!r} is that of {files[name]}, too")
            else:
                files[name] = place
                found[number] = name, place, self._size(place, row)
        home = _images_folder(self.file, folder, list(files))
        for number, (name, place, size) in found.items():
            path = inside(home, name)
            shown = path.relative_to(self.root) if path.is_relative_to(self.root) else Path(name)
            where = f"{self.label} {place}"
            self.images[number] = CocoImage(id=shown.as_posix(), path=path, size=size, where=where)

    def _size(self, place: str, row: Mapping[str, Any]) -> tuple[int, int] | None:
        width, height = row.get("width"), row.get("height")
        if width is None or height is None:
            return None
        for key, value in (("width", width), ("height", height)):
            if not is_number(value) or value < 1 or value != int(value):
                self.note(f"{place}.{key}", f"{value!r} is no number of pixels")
                return None
        return int(height), int(width)

    def _rows(self, key: str, rows: list[Any], needed: Sequence[str]) -> Iterator[tuple[str, dict[str, Any]]]:
        for index, row in enumerate(rows):
            place = f"{key}[{index}]"
            if not isinstance(row, dict):
                self.note(place, f"is a {_kind(row)}, where an object is expected")
            elif missing := [name for name in needed if name not in row]:
                self.note(place, f"has no {' and no '.join(missing)}")
            else:
                yield place, row


def read_coco(file: Path, root: Path, *, folder: str | None) -> CocoFile:
    """Return a file's categories, images and annotations, with what is wrong with them.

    Args:
        file: The file.
        root: Of the data.
        folder: The folder that file names are relative to, relative to the file's own; None looks for it.

    Raises:
        DataError: When it is no JSON object at all, or the folder is none.
    """
    content = _load(file)
    if not isinstance(content, dict):
        raise DataError(f"{file} is a JSON {_kind(content)}, and COCO's is an object with {', '.join(_LISTS)}")
    coco = CocoFile(file, root)
    coco._take(content, folder)
    return coco


def coco_files(path: Path) -> list[tuple[Path, str | None]]:
    """Return the file, or those of a folder, that look like COCO's format, and the split that the name of each says.

    Of a folder it is one file for all of the data, or one for each split: itself, in `annotations`, or each in the
    folder of its split. Anything else is none.
    """
    if path.is_file():
        return [(path, None)] if _looks_like(path) else []
    places = [path, path / "annotations", *(path / word for word in sorted(SPLIT_WORDS))]
    found = []
    for place in places:
        for file in sorted(place.glob("*.json")) if place.is_dir() else ():
            if not is_hidden(file.name) and _looks_like(file):
                word = place.name if place.name in SPLIT_WORDS and place != path else file.stem
                found.append((file, _split_in(word)))
    # Captions and key points of the same images are other tasks.
    own = [pair for pair in found if not re.match(r"(captions|person_keypoints|panoptic)_", pair[0].name)]
    splits = [split for _, split in own]
    return own if len(own) == 1 or (None not in splits and len(set(splits)) == len(splits)) else []


def passed_over(files: Sequence[tuple[Path, str | None]]) -> Iterator[str]:
    """Yield a note for each file that is called as a split is, beside those that are read, and is none of COCO's."""
    if not any(split for _, split in files):
        return
    for folder in sorted({file.parent for file, _ in files}):
        for file in sorted(folder.glob("*.json")):
            if _split_in(file.stem) is not None and not _looks_like(file):
                yield f"{file.name} is passed over: it is not in COCO's format"


def merged_names(files: Iterable[CocoFile]) -> tuple[dict[int, str], list[Problem]]:
    """Return the class names of several files by category id, in the order of the ids, and where files disagree."""
    problems = []
    first: dict[int, tuple[str, str]] = {}
    ids: dict[str, tuple[int, str]] = {}
    for file in files:
        for number, name in file.names.items():
            place = f"{file.label} categories"
            known, where = first.setdefault(number, (name, file.label))
            if known != name:
                problems.append(Problem(place, f"the id {number} is {name!r} here, {known!r} in {where}"))
                continue
            other, where = ids.setdefault(name, (number, file.label))
            if other != number:
                problems.append(Problem(place, f"{name!r} has the id {number} here, {other} in {where}"))
    return {number: first[number][0] for number in sorted(first)}, problems


def wrong_size(path: Path, said: tuple[int, int], own: tuple[int, int], *, where: str) -> Problem | None:
    """Return that an image is of another (H, W) than its annotation says: nobody knows then what places in it mean."""
    if own == said:
        return None
    hint = f"the file {path.name} is {own[1]} × {own[0]}"
    if own == said[::-1]:
        hint += " once it is turned upright, as its EXIF orientation says; write it anew, upright"
    return Problem(where, f"annotated as an image of {said[1]} × {said[0]} pixels", hint)


def leads_out(name: str) -> bool:
    """Return whether a relative path leaves the folder that it is relative to, or is none."""
    parts = PurePosixPath(name.replace("\\", "/")).parts
    depth = 0
    for part in parts:
        depth += -1 if part == ".." else 1
        if depth < 0:
            return True
    return PurePosixPath(name).is_absolute() or PureWindowsPath(name).is_absolute()


def image_root(candidates: Iterable[Path], names: Sequence[str]) -> Path | None:
    """Return the first folder that has one of the first few files, or None."""
    some = names[:_LOOKED_AT]
    return next((folder for folder in candidates if any(is_file(folder / name) for name in some)), None)


def inside(root: Path, name: str) -> Path:
    """Return a file by its name in an annotation, also one written on Windows."""
    path = root / name
    if "\\" in name and not exists(path):
        other = root / name.replace("\\", "/")
        path = other if exists(other) else path
    return Path(os.path.normpath(path))


def is_integer(value: Any) -> bool:
    """Return whether a JSON value is a whole number."""
    return isinstance(value, int) and not isinstance(value, bool)


def is_number(value: Any) -> bool:
    """Return whether a JSON value is a number that a float can hold."""
    # Whole numbers of hundreds of digits are no float.
    return (is_integer(value) and abs(value) < 2**53) or (isinstance(value, float) and abs(value) < 1e15)


def _images_folder(file: Path, given: str | None, names: Sequence[str]) -> Path:
    home = file.parent
    if given is not None:
        folder = home / given
        if not folder.is_dir():
            raise DataError(f"data.reader.root: {folder} is no folder", fix=f"it is relative to {home}")
        return folder
    # instances_train2017.json beside train2017/, also one folder up; images/ in either.
    stem = re.sub(r"^(instances|annotations|coco)[_-]|[_.-](annotations|coco)$", "", file.stem)
    candidates = [base / below for base in (home, home.parent) for below in ("", stem, "images", f"images/{stem}")]
    # Where everything is missing, the check of the images says so.
    return image_root(candidates, names) or home


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
    return begins and any(f'"{key}"'.encode() in head + tail for key in _LISTS)


def _is_name(value: Any) -> bool:
    """Return whether a JSON value is a text that can be written in UTF-8: JSON may have half a surrogate pair."""
    return isinstance(value, str) and bool(value.strip()) and not re.search("[\ud800-\udfff]", value)


def _kind(value: Any) -> str:
    kinds = {dict: "object", list: "list", str: "text", bool: "truth value", int: "number", float: "number"}
    return kinds.get(type(value), "null")
