"""What a task, a domain or a plugin puts into the report: titled sections of tables, figures and pictures."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from matplotlib.figure import Figure as MatplotlibFigure
    from numpy.typing import NDArray


@dataclass(frozen=True, kw_only=True)
class Table:
    """Rows of text or numbers; numbers are right-aligned and shown with three digits."""

    columns: Sequence[str]
    rows: Sequence[Sequence[str | float | int | None]]


@dataclass(frozen=True, kw_only=True)
class Figure:
    """A matplotlib figure, and in `alt` what it shows, for those who cannot see it."""

    figure: MatplotlibFigure
    alt: str


@dataclass(frozen=True, kw_only=True)
class Picture:
    """A thumbnail of an image file, or of what was drawn of it, with a caption.

    Args:
        path: The file.
        caption: A line below it.
        pixels: `(H, W, 3)` uint8, made small and shown in place of the file.
    """

    path: Path
    caption: str
    pixels: NDArray[np.uint8] | None = None


@dataclass(frozen=True, kw_only=True)
class Gallery:
    """Thumbnails side by side."""

    pictures: Sequence[Picture]


@dataclass(frozen=True, kw_only=True)
class Section:
    """A titled part of the report.

    Args:
        title: Its heading.
        how_to_read: One sentence that says how to read it.
        parts: Shown in order.
    """

    title: str
    how_to_read: str = ""
    parts: Sequence[Table | Figure | Gallery] = field(default=())
