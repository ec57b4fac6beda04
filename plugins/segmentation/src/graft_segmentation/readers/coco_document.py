"""What is in a file in COCO's format, checked: categories and images by their ids, annotations as they stand."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from graft.errors import DataError, Problem

_LONGEST = 100_000
"""Pixels on a side, more than any image has that is not a slip of the hand."""


@dataclass
class Document:
    """One file.

    Args:
        file: Where it is.
        content: Its JSON.
    """

    file: Path
    content: Mapping[str, Any]
    names: dict[int, str] = field(default_factory=dict)
    """Class names by category id, in the order of the ids."""
    images: dict[Any, tuple[str, tuple[int, int]]] = field(default_factory=dict)
    """File name and (H, W) by image id."""
    annotations: list[Any] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)

    def check(self) -> None:
        """Take categories, images and annotations, and note what is wrong with them."""
        lists = {key: self.content.get(key) for key in ("categories", "images", "annotations")}
        for key, value in lists.items():
            if not isinstance(value, list):
                self.note(key, "is missing" if key not in self.content else "is no list")
        given = {key: value if isinstance(value, list) else [] for key, value in lists.items()}
        for number, entry in enumerate(given["categories"]):
            self.category(f"categories[{number}]", entry)
        self.names = dict(sorted(self.names.items()))
        for number, entry in enumerate(given["images"]):
            self.image(f"images[{number}]", entry)
        if isinstance(lists["images"], list) and not lists["images"]:
            self.note("images", "lists no image")
        self.annotations = given["annotations"]

    def category(self, where: str, entry: Any) -> None:
        """Take a category."""
        ident, name = (entry.get("id"), entry.get("name")) if isinstance(entry, dict) else (None, None)
        if not isinstance(ident, int) or isinstance(ident, bool) or not isinstance(name, str) or not name.strip():
            self.note(where, "needs an id, which is a whole number, and a name")
        elif ident in self.names:
            self.note(where, f"the id {ident} is that of '{self.names[ident]}', too")
        elif name in self.names.values():
            self.note(where, f"the name '{name}' is that of another category, too")
        else:
            self.names[ident] = name

    def image(self, where: str, entry: Any) -> None:
        """Take an image."""
        fields = entry if isinstance(entry, dict) else {}
        ident, name = fields.get("id"), fields.get("file_name")
        sides = fields.get("height"), fields.get("width")
        if not isinstance(ident, (int, str)) or not isinstance(name, str) or not name or "\0" in name:
            self.note(where, "needs an id and a file_name")
        elif not all(isinstance(side, int) and 0 < side <= _LONGEST for side in sides):
            self.note(where, f"height and width are {sides[0]!r} and {sides[1]!r}, which is no size in pixels")
        elif ident in self.images:
            self.note(where, f"the id {ident} is that of {self.images[ident][0]}, too")
        else:
            self.images[ident] = (name, (int(fields["height"]), int(fields["width"])))

    def note(self, where: str, what: str) -> None:
        """Take down what is wrong."""
        self.problems.append(Problem(f"{self.file.name}: {where}", what))


def read_document(file: Path) -> Document:
    """Return a file's content with what is wrong with it.

    Raises:
        DataError: When it is no JSON object in UTF-8 at all.
    """
    try:
        content = json.loads(file.read_text("utf-8-sig"))
    except (OSError, ValueError, RecursionError) as error:
        raise DataError(f"{file} is not in COCO's format: {error}", fix="write it as JSON in UTF-8") from error
    if not isinstance(content, dict):
        raise DataError(
            f"{file} is not in COCO's format: it holds no object",
            fix="it needs images (id, file_name, height, width), annotations and categories (id, name)",
        )
    document = Document(file, content)
    document.check()
    return document
