"""Figures of the report. Readable in greyscale; names are shown as they are, never read as mathematics."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from graft_classification.calibration import Calibration

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_LONGEST = 24
_DARK = "#1f4e79"
_LIGHT = "#9db8d2"
_INK = "#222222"


def confusion(matrix: NDArray[np.int64], names: Sequence[str], *, merged: bool = False) -> Figure:
    """Draw a confusion matrix `(C, C)`, rows true, in images and as shares of its rows.

    With `merged`, the last class stands for many others, and does not count for what is dark.
    """
    from matplotlib.figure import Figure

    side = float(np.clip(1.6 + 0.42 * len(names), 3.4, 9.0))
    figure = Figure(figsize=(2 * side + 0.4, side + 0.4), layout="constrained")
    left, right = figure.subplots(1, 2)
    totals = matrix.sum(axis=1, keepdims=True)
    shares = np.divide(matrix, totals, out=np.full(matrix.shape, np.nan), where=totals > 0)
    largest = matrix[:-1, :-1].max() if merged else matrix.max()
    _cells(left, np.minimum(matrix / max(largest, 1), 1), [[_count(cell) for cell in row] for row in matrix], names)
    _cells(right, shares, [[_percent(cell) for cell in row] for row in shares], names)
    left.set_title("Images", fontsize=10)
    right.set_title("Share of the true class, %", fontsize=10)
    left.set_ylabel("true")
    right.set_yticklabels([])
    # The layout sees the turned names only after they were placed once; what saves the figure draws the second time.
    figure.draw_without_rendering()
    return figure


def reliability(bins: Calibration, *, what: str, right: str) -> Figure:
    """Draw what scores promised against what came true, over a histogram of the scores."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(4.2, 4.8), layout="constrained")
    diagram, histogram = figure.subplots(2, 1, sharex=True, height_ratios=[3, 1])
    centres, width = (bins.edges[:-1] + bins.edges[1:]) / 2, np.diff(bins.edges) * 0.92
    there = bins.counts > 0
    diagram.bar(centres[there], bins.kept[there], width[there], color=_LIGHT, edgecolor=_DARK)
    diagram.plot([0, 1], [0, 1], "--", color=_INK, linewidth=1, label="ideal")
    diagram.plot(bins.promised[there], bins.kept[there], "o", color=_DARK, markersize=4, label=f"mean {what}")
    diagram.set(xlim=(0, 1), ylim=(0, 1.02), ylabel=right)
    diagram.legend(loc="upper left", frameon=False, fontsize=8)
    diagram.set_title(f"Expected calibration error {bins.error:.3f}", fontsize=10)
    histogram.bar(centres, bins.counts, width, color=_DARK)
    histogram.set(xlabel=what, ylabel="number")
    for axes in (diagram, histogram):
        axes.spines[["top", "right"]].set_visible(False)
    return figure


def _cells(axes: Axes, values: NDArray[np.float64], texts: Sequence[Sequence[str]], names: Sequence[str]) -> None:
    """Draw values in 0…1 as shades and write the texts into them."""
    axes.imshow(np.nan_to_num(values), cmap="Blues", vmin=0, vmax=1)
    size = 10 if len(names) <= 10 else 8
    labels = [_short(name) for name in names]
    places = range(len(names))
    axes.set_xticks(places, labels, rotation=90 if len(names) > 6 else 30, fontsize=size, parse_math=False)
    if len(names) <= 6:
        for label in axes.get_xticklabels():
            label.set(horizontalalignment="right", rotation_mode="anchor")
    axes.set_yticks(places, labels, fontsize=size, parse_math=False)
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)
    axes.set_xlabel("predicted")
    for row in places:
        for column in places:
            colour = "white" if values[row, column] > 0.55 else _INK
            axes.text(column, row, texts[row][column], ha="center", va="center", fontsize=size, color=colour)


def _short(name: str) -> str:
    """The name in one line of bounded length."""
    line = " ".join(name.split())
    return line if len(line) <= _LONGEST else f"{line[: _LONGEST - 1]}…"


def _count(cell: int) -> str:
    return str(cell) if cell else ""


def _percent(share: float) -> str:
    return "" if np.isnan(share) or share < 0.005 else f"{100 * share:.0f}"
