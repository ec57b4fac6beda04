"""The task's part of the report."""

from __future__ import annotations

from typing import Any

from numpy.typing import NDArray

from graft.report.sections import Figure, Section


def scatter(true: NDArray[Any], predicted: NDArray[Any], *, name: str) -> Section:
    """Return predicted over true values, both `(N,)`, as a figure."""
    from matplotlib.figure import Figure as Canvas

    canvas = Canvas(figsize=(4.4, 4.2), layout="constrained")
    axes = canvas.subplots()
    ends = [min(true.min(), predicted.min()), max(true.max(), predicted.max())]
    axes.plot(ends, ends, color="0.7", linewidth=1)
    axes.plot(true, predicted, "o", color="#1f4e79", markersize=4, alpha=0.6)
    axes.set(xlabel=f"true {name}".replace("$", r"\$"), ylabel=f"predicted {name}".replace("$", r"\$"))
    axes.spines[["top", "right"]].set_visible(False)
    alt = f"Predicted over true values of {len(true)} images; {sum(predicted > true)} are above what is true."
    return Section(
        title="Predicted and true values",
        how_to_read="On the line both are the same; above it the model says too much.",
        parts=[Figure(figure=canvas, alt=alt)],
    )
