"""XML without what makes it dangerous: no document type, no entities, no network; and every element has its line."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from xml.parsers import expat

from graft.errors import Problem

MAX_BYTES = 16 * 2**20
_DEEPEST = 100


@dataclass
class Element:
    """An element: its name, its line, its own text and what is in it."""

    name: str
    line: int
    text: str = ""
    children: list[Element] = field(default_factory=list)

    def all(self, name: str) -> list[Element]:
        """Return the elements of that name directly in it."""
        return [child for child in self.children if child.name == name]

    def find(self, *names: str) -> Element | None:
        """Return the first element down a path of names, or None."""
        element: Element | None = self
        for name in names:
            element = next(iter(element.all(name)), None) if element is not None else None
        return element


class BadXml(Exception):
    """A file that is no XML, or one with a document type.

    Args:
        line: Where.
        reason: What is wrong.
    """

    def __init__(self, line: int, reason: str) -> None:
        super().__init__(line, reason)
        self.line = line
        self.reason = reason

    def problem(self, name: str) -> Problem:
        """Return it as a mistake in a file."""
        return Problem(f"{name} line {self.line}", self.reason)


def parse(path: Path) -> Element:
    """Return the outermost element of a file.

    Raises:
        BadXml: When it is too large, no XML, too deeply nested, or has a document type, which could declare entities.
        OSError: When it cannot be read.
    """
    if path.stat().st_size > MAX_BYTES:
        raise BadXml(1, f"larger than {MAX_BYTES // 2**20} MiB, which no annotation of one image is")
    parser = expat.ParserCreate()
    # Text arrives in one piece per element, whatever its size.
    parser.buffer_text = True
    top: list[Element] = []
    stack: list[Element] = []

    def start(name: str, _: dict[str, str]) -> None:
        if len(stack) >= _DEEPEST:
            raise BadXml(parser.CurrentLineNumber, f"nested more than {_DEEPEST} deep")
        element = Element(name, parser.CurrentLineNumber)
        (stack[-1].children if stack else top).append(element)
        stack.append(element)

    def end(_: str) -> None:
        stack.pop()

    def text(data: str) -> None:
        if stack:
            stack[-1].text += data

    def doctype(*_: object) -> None:
        raise BadXml(parser.CurrentLineNumber, "a document type (<!DOCTYPE …>) is not read: take it out")

    parser.StartElementHandler = start
    parser.EndElementHandler = end
    parser.CharacterDataHandler = text
    parser.StartDoctypeDeclHandler = doctype
    try:
        parser.Parse(path.read_bytes(), True)
    except expat.ExpatError as error:
        raise BadXml(error.lineno, f"no XML: {expat.ErrorString(error.code)}") from error
    except (ValueError, LookupError) as error:
        raise BadXml(parser.CurrentLineNumber, f"no XML: {error}") from error
    return top[0]
