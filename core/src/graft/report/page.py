"""A page of chapters and blocks as one HTML file: no script, no address, nothing that leaves the machine."""

from __future__ import annotations

import math
import numbers
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cache
from importlib import resources
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

from graft.report.figures import picture
from graft.report.sections import Figure, Gallery, Section, Table
from graft.report.text import plain
from graft.report.thumbnails import small, thumbnail
from graft.report.verdict import Verdict

if TYPE_CHECKING:
    from pathlib import Path

    from jinja2 import Template

_MOST_PICTURES = 300
_MOST_ROWS = 2000


@dataclass(frozen=True, kw_only=True)
class Preformatted:
    """Text with its own line breaks."""

    text: str


Part = Table | Figure | Gallery | Preformatted


@dataclass(frozen=True, kw_only=True)
class Block:
    """A titled piece of a chapter.

    Args:
        title: Its heading; empty when the chapter's says enough.
        how_to_read: One sentence that says how to read it.
        parts: Shown in order.
        missing: Why it is not available, in place of parts.
        folded: Whether it opens on a click.
        names: Of the pictures of its galleries, instead of their files' names.
    """

    title: str
    how_to_read: str = ""
    parts: Sequence[Part] = ()
    missing: str = ""
    folded: bool = False
    names: Sequence[str] = field(default=())

    @classmethod
    def of(cls, section: Section) -> Block:
        """Return a section as a block."""
        return cls(title=section.title, how_to_read=section.how_to_read, parts=section.parts)


@dataclass(frozen=True, kw_only=True)
class Chapter:
    """A chapter of the page."""

    title: str
    blocks: Sequence[Block]


@dataclass(frozen=True, kw_only=True)
class Page:
    """A whole report."""

    title: str
    subtitle: str
    verdict: Verdict
    chapters: Sequence[Chapter]


@dataclass(frozen=True)
class _Cell:
    text: str
    value: float | int | None = None
    """The exact number behind a text that is rounded."""
    gap: bool = False


def render(page: Page) -> str:
    """Return the page as HTML. Every text in it is escaped."""
    budget = _Budget(_MOST_PICTURES)
    chapters = [
        {"title": chapter.title, "blocks": [_block(block, budget) for block in chapter.blocks]}
        for chapter in page.chapters
    ]
    return _template().render(page=page, chapters=chapters, version=version("graft-core"))


class _Budget:
    """Pictures that a page may still hold."""

    def __init__(self, left: int) -> None:
        self.left = left

    def take(self, wanted: int) -> int:
        given = min(wanted, self.left)
        self.left -= given
        return given


def _block(block: Block, budget: _Budget) -> dict[str, Any]:
    parts = [_part(part, block.names, budget) for part in block.parts]
    return {
        "title": block.title,
        "how_to_read": block.how_to_read,
        "missing": block.missing,
        "folded": block.folded,
        "parts": parts,
    }


def _named(path: Path) -> str:
    """Return a file's name, or of a part of one that, too: `scan.nii.gz/z=012`."""
    return f"{path.parent.name}/{path.name}" if path.parent.is_file() else path.name


def _part(part: Part, names: Sequence[str], budget: _Budget) -> dict[str, Any]:
    if isinstance(part, Figure):
        try:
            return {"kind": "figure", "source": picture(part.figure), "alt": part.alt}
        except Exception as error:  # a plugin's figure must not cost the report
            return {"kind": "note", "text": f"This figure could not be drawn: {type(error).__name__}: {error}"}
    if isinstance(part, Gallery):
        shown = list(part.pictures)[: budget.take(len(part.pictures))]
        labels = names or [_named(one.path) for one in shown]
        pictures = [
            {
                "source": thumbnail(one.path) if one.pixels is None else small(one.pixels),
                "caption": one.caption,
                "name": name,
            }
            for one, name in zip(shown, labels, strict=False)
        ]
        return {"kind": "gallery", "pictures": pictures, "left_out": len(part.pictures) - len(shown)}
    if isinstance(part, Preformatted):
        return {"kind": "text", "text": part.text}
    rows = [[_cell(value) for value in row] for row in part.rows[:_MOST_ROWS]]
    return {
        "kind": "table",
        "columns": _columns(part.columns, rows),
        "rows": rows,
        "left_out": max(0, len(part.rows) - _MOST_ROWS),
    }


def _columns(titles: Sequence[str], rows: Sequence[Sequence[_Cell]]) -> list[dict[str, Any]]:
    """Return the titles with whether numbers stand below them."""
    columns = zip(*rows, strict=True) if rows else ((),) * len(titles)
    return [
        {"title": title, "number": bool(cells) and all(cell.value is not None or cell.gap for cell in cells)}
        for title, cells in zip(titles, columns, strict=True)
    ]


def _cell(value: Any) -> _Cell:
    if value is None or (isinstance(value, numbers.Real) and not math.isfinite(value)):
        return _Cell("–", gap=True)
    if isinstance(value, bool) or not isinstance(value, numbers.Real):
        return _Cell(str(value))
    if isinstance(value, numbers.Integral):
        return _Cell(str(value), int(value))
    number = float(value)
    tiny_or_huge = number != 0 and not 0.001 <= abs(number) < 10_000
    return _Cell(f"{number:.3g}" if tiny_or_huge else f"{number:.3f}", number)


def _shown(value: Any) -> Any:
    """Return what is written into the page for a value; markup that a macro has made stays as it is."""
    return plain(value) if type(value) is str else value


@cache
def _template() -> Template:
    from jinja2 import Environment, StrictUndefined

    environment = Environment(
        autoescape=True, undefined=StrictUndefined, finalize=_shown, trim_blocks=True, lstrip_blocks=True
    )
    return environment.from_string(resources.files("graft.report").joinpath("page.html.j2").read_text("utf-8"))
