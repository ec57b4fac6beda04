"""Plain text for stdout: aligned columns that can be read, cut and grepped."""

from __future__ import annotations

from collections.abc import Sequence


def columns(rows: Sequence[Sequence[str]], *, indent: str = "") -> str:
    """Return rows as lines with aligned columns; the last column is as long as it is."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)][:-1]
    lines = []
    for *cells, last in rows:
        padded = [cell.ljust(width) for cell, width in zip(cells, widths, strict=True)]
        lines.append((indent + "  ".join([*padded, last])).rstrip())
    return "\n".join(lines)


def indented(text: str, *, by: str = "    ") -> str:
    """Return `text` with each line moved to the right."""
    return "\n".join(by + line for line in text.splitlines())
