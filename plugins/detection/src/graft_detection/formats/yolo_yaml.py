"""The YAML file of a YOLO data set: read as texts, nothing is executed, nothing is expanded. Torch-free."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from graft.data.coco import leads_out
from graft.errors import DataError, Problem

MAX_BYTES = 2**20
_DEEPEST = 20
_SPLITS = ("train", "val", "test")


@dataclass(frozen=True)
class Description:
    """What a YAML file says.

    Args:
        names: The classes, in the order of their numbers.
        path: The folder that the other paths are relative to, as it is written.
        places: A split, a path with its images, and where that stands.
        points: Whether lines have key points behind their boxes (`kpt_shape`).
    """

    names: tuple[str, ...] = ()
    path: str = ""
    places: tuple[tuple[str, str, str], ...] = ()
    points: bool = False

    def base(self, yaml: Path, problems: list[Problem]) -> Path:
        """Return the folder that the paths are relative to."""
        if self.path and not Path(self.path).is_absolute() and leads_out(self.path):
            what = f"{self.path!r} leads out of the data's folder"
            problems.append(Problem(f"{yaml.name}: path", what, "write it as an absolute path, or take it out"))
            return yaml.parent
        base = yaml.parent / self.path
        # Written for the folder above: `path: coco8` in coco8/coco8.yaml.
        return base if base.is_dir() or yaml.parent.name != Path(self.path).name else yaml.parent

    def inside(self, base: Path, name: str, where: str, problems: list[Problem], notes: list[str]) -> Path | None:
        """Return the file or folder that a path names, or None when it leads out of `base`."""
        if Path(name).is_absolute():
            return Path(name)
        if not leads_out(name):
            return Path(os.path.normpath(base / name))
        # Roboflow writes ../train/images for what lies beside the YAML file.
        near = name.replace("\\", "/")
        while near.startswith("../"):
            near = near[3:]
        if not leads_out(near) and (base / near).exists():
            notes.append(f"{where}: {name} is taken as {near}, which is in the data's folder")
            return Path(os.path.normpath(base / near))
        what = f"{name!r} leads out of the data's folder"
        problems.append(Problem(where, what, "write it as an absolute path, or move the images"))
        return None


def read_yaml(file: Path) -> Description:
    """Return what a YAML file says; every value is taken as the text that stands there.

    Raises:
        DataError: When it is no such file: too large, no YAML, with aliases or tags, or with other kinds of values.
    """
    import yaml

    if file.stat().st_size > MAX_BYTES:
        raise DataError(f"{file.name} is larger than {MAX_BYTES // 2**20} MiB", fix="name the data set's own YAML file")
    try:
        text = file.read_bytes().decode("utf-8-sig")
        depth = 0
        for event in yaml.parse(text, Loader=yaml.BaseLoader):
            depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
            _refuse_tricks(file, event, depth, yaml)
        _refuse_twins(file, yaml.compose(text, Loader=yaml.BaseLoader), yaml)
        content = yaml.load(text, Loader=yaml.BaseLoader)  # noqa: S506 - it makes texts, lists and tables alone
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark is not None else 1
        raise DataError(f"{file.name} line {line}: no YAML: {error.problem}", fix="correct this line") from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise DataError(f"{file.name}: no YAML in UTF-8: {error}", fix="save the file as UTF-8") from error
    if not isinstance(content, dict):
        raise DataError(f"{file.name} is no table of names", fix="it needs train: FOLDER and names: [class, …]")
    problems: list[Problem] = []
    names = _names(file, content, problems)
    path = content.get("path", "")
    if not isinstance(path, str) or "\0" in path:
        problems.append(Problem(f"{file.name}: path", "is no path"))
    places = []
    for split in _SPLITS:
        key = "valid" if split == "val" and "val" not in content else split
        given = content.get(key) or []
        for name in [given] if isinstance(given, str) else given:
            if not isinstance(name, str) or "\0" in name:
                problems.append(Problem(f"{file.name}: {key}", "is neither a path nor a list of paths"))
            elif name:
                places.append((split, name, f"{file.name}: {key}"))
    if problems:
        raise DataError(f"{file} cannot be used", problems=problems, fix="correct these keys")
    return Description(names=tuple(names), path=path, places=tuple(places), points="kpt_shape" in content)


def _names(file: Path, content: dict[str, Any], problems: list[Problem]) -> Sequence[str]:
    """Return the classes from a list, or from a table by number."""
    given = content.get("names")
    where = f"{file.name}: names"
    if isinstance(given, dict):
        numbers = [int(key) if key.isdecimal() and len(key) < 7 else -1 for key in given]
        if sorted(numbers) != list(range(len(numbers))):
            problems.append(Problem(where, f"the numbers {', '.join(list(given)[:10])} are not 0 to {len(given) - 1}"))
            return ()
        given = [name for _, name in sorted(zip(numbers, given.values(), strict=True), key=lambda pair: pair[0])]
    if not isinstance(given, list) or not all(isinstance(name, str) and name.strip() for name in given):
        what = "is missing" if given is None else "is neither a list of names nor a table of numbers and names"
        problems.append(Problem(where, what, "names: [person, car]"))
        return ()
    for name in sorted({name for name in given if given.count(name) > 1}):
        problems.append(Problem(where, f"{name!r} is there twice"))
    count = content.get("nc")
    if count is not None and count != str(len(given)):
        problems.append(Problem(f"{file.name}: nc", f"{count} classes, but {len(given)} names"))
    return given


def _refuse_twins(file: Path, node: Any, yaml: Any) -> None:
    """Raise where a table has a key twice, of which YAML's loaders take the last, or one that is no text."""
    if isinstance(node, yaml.MappingNode):
        keys: set[str] = set()
        for key, value in node.value:
            line = key.start_mark.line + 1
            if not isinstance(key, yaml.ScalarNode):
                raise DataError(f"{file.name} line {line}: a key that is no text", fix="correct this line")
            if key.value in keys:
                raise DataError(f"{file.name} line {line}: the key {key.value!r} is there twice", fix="take one out")
            keys.add(key.value)
            _refuse_twins(file, value, yaml)
    elif isinstance(node, yaml.SequenceNode):
        for value in node.value:
            _refuse_twins(file, value, yaml)


def _refuse_tricks(file: Path, event: Any, depth: int, yaml: Any) -> None:
    line = event.start_mark.line + 1
    if depth > _DEEPEST:
        raise DataError(f"{file.name} line {line}: nested too deeply", fix="name the data set's own YAML file")
    if isinstance(event, yaml.AliasEvent) or getattr(event, "anchor", None):
        raise DataError(f"{file.name} line {line}: anchors and aliases (&, *) are not read", fix="write it out")
    if getattr(event, "tag", None):
        raise DataError(f"{file.name} line {line}: the tag {event.tag} is not read", fix="write plain texts")
