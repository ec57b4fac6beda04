"""Figures of the report. Readable in greyscale; names are shown as they are, never read as mathematics."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from graft_detection.evaluation.curves import RECALLS

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_STYLES = ("-", "--", "-.", ":")
_LONGEST = 24


def precisions(curves: Mapping[str, NDArray[np.float64]]) -> Figure:
    """Draw the precision `(R,)` at each recall of each class, at an overlap of 0.5."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(5.6, 4.2), layout="constrained")
    axes = figure.subplots()
    for number, (name, values) in enumerate(curves.items()):
        shown = name if len(name) <= _LONGEST else name[: _LONGEST - 1] + "…"
        axes.plot(RECALLS, values, _STYLES[number % len(_STYLES)], label=shown.replace("$", r"\$"), linewidth=1.4)
    axes.set(xlim=(0, 1), ylim=(0, 1.02), xlabel="recall", ylabel="precision")
    axes.legend(loc="lower left", frameon=False, fontsize=8)
    return figure
