"""Learning curves, and any figure as a picture inside a page. No pyplot, no global state of matplotlib."""

from __future__ import annotations

import base64
import io
import math
import warnings
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import matplotlib
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.figure import Figure
from matplotlib.text import Text
from matplotlib.ticker import MaxNLocator

from graft.report.sections import Figure as Drawn
from graft.report.text import plain

_INK, _DARK, _ORANGE, _GREY = "#222222", "#1f4e79", "#c8641e", "#8a8f98"
_LARGEST_SVG = 600_000

Rows = Sequence[Mapping[str, Any]]


def learning_curves(history: Rows, *, monitor: str | None, best_epoch: int | None) -> Drawn:
    """Draw the loss, and beside it the monitored value where there is one, over epochs; the best epoch is marked.

    Args:
        history: One row per epoch, as in `metrics.jsonl`.
        monitor: The value that picked the best epoch.
        best_epoch: The epoch that was kept.
    """
    monitored = f"val.{monitor}"
    both = any(_number(row.get(monitored)) is not None for row in history)
    figure = Figure(figsize=(9, 3.1), layout="constrained")
    panels = figure.subplots(1, 2, squeeze=False)[0] if both else [figure.subplots()]
    _line(panels[0], history, "train.loss", label="train", color=_DARK, linestyle="-", marker="o")
    _line(panels[0], history, "val.loss", label="validation", color=_ORANGE, linestyle="--", marker="s")
    panels[0].set_ylabel("loss")
    if both:
        _line(panels[1], history, monitored, label="validation", color=_ORANGE, linestyle="--", marker="s")
        panels[1].set_ylabel(worded(str(monitor)))
    for axes in panels:
        if best_epoch is not None:
            axes.axvline(best_epoch, color=_GREY, linestyle=":", linewidth=1.2, label=f"kept: epoch {best_epoch}")
        axes.legend(frameon=False, fontsize=8)
        _over_epochs(axes)
    return Drawn(figure=figure, alt=_curves_alt(history, monitored, best_epoch))


def learning_rates(history: Rows) -> Drawn | None:
    """Draw the learning rate of each group of parameters over epochs; None when none was recorded."""
    names = [name for name in history[-1] if name.startswith("lr.")] if history else []
    if not names:
        return None
    alike: dict[tuple[Any, ...], list[str]] = {}
    for name in names:
        alike.setdefault(tuple(row.get(name) for row in history), []).append(name.removeprefix("lr."))
    figure = Figure(figsize=(9, 2.5), layout="constrained")
    axes = figure.subplots()
    styles = ("-", "--", "-.", ":")
    shades = matplotlib.colormaps["viridis"]
    for index, groups in enumerate(alike.values()):
        colour = shades(0.85 * index / max(len(alike) - 1, 1))
        label = ", ".join(groups) if len(groups) < 3 else f"{groups[0]} … {groups[-1]}"
        if not _positive(history, f"lr.{groups[0]}"):
            axes.plot([], [], " ", label=f"frozen: {label}")
            continue
        style = styles[index % len(styles)]
        _line(axes, history, f"lr.{groups[0]}", label=label, color=colour, linestyle=style, marker=".")
    tops = [max(values) for name in names if (values := _positive(history, name))]
    if tops and max(tops) > 30 * min(tops):
        axes.set_yscale("log")
    axes.set_ylabel("learning rate")
    axes.legend(frameon=False, fontsize=8, loc="center left", bbox_to_anchor=(1, 0.5))
    _over_epochs(axes)
    frozen = [name.removeprefix("lr.") for name in names if not _positive(history, name)]
    alt = "Learning rates by epoch. " + "; ".join(
        f"{name.removeprefix('lr.')}: at most {max(values):.1e}"
        for name in names
        if (values := _positive(history, name))
    )
    return Drawn(figure=figure, alt=alt + (f"; not trained: {', '.join(frozen)}." if frozen else "."))


def picture(figure: Figure) -> str:
    """Return a figure as a `data:` URI: an SVG, or a PNG when that would be very large.

    Texts are shown as they are: only matplotlib's own tick labels are read as mathematics, never a name with `$` in it.
    """
    with matplotlib.rc_context({"svg.fonttype": "none", "text.parse_math": False}), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a glyph that this machine's font lacks is drawn by the reader's browser
        _clean_ticks(figure)
        _literal(figure)
        figure.draw_without_rendering()  # makes the tick labels
        _literal(figure)
        buffer = io.BytesIO()
        figure.savefig(buffer, format="svg", transparent=True, metadata={"Date": None, "Creator": None})
        if len(buffer.getvalue()) <= _LARGEST_SVG:
            return f"data:image/svg+xml;base64,{base64.b64encode(buffer.getvalue()).decode()}"
        buffer = io.BytesIO()
        figure.savefig(buffer, format="png", dpi=150)
    return f"data:image/png;base64,{base64.b64encode(buffer.getvalue()).decode()}"


def worded(name: str) -> str:
    """Return a metric's name as words: `balanced_accuracy` as `balanced accuracy`."""
    return name.replace("_", " ")


def _literal(figure: Figure) -> None:
    for text in figure.findobj(Text):
        if isinstance(text, Text):
            text.set_parse_math(text.get_text().startswith("$\\mathdefault{"))
            text.set_text(plain(text.get_text()))


def _clean_ticks(figure: Figure) -> None:
    """Let formatters give clean text: they set the tick labels anew with each drawing."""

    def cleaned(format_ticks: Callable[[Any], list[str]]) -> Callable[[Any], list[str]]:
        return lambda values: [plain(text) for text in format_ticks(values)]

    for axis in figure.findobj(Axis):
        if isinstance(axis, Axis):
            for formatter in (axis.get_major_formatter(), axis.get_minor_formatter()):
                formatter.format_ticks = cleaned(formatter.format_ticks)  # type: ignore[method-assign, assignment]


def _line(axes: Axes, history: Rows, name: str, **style: Any) -> None:
    points = [(row["epoch"], value) for row in history if (value := _number(row.get(name))) is not None]
    if points:
        epochs, values = zip(*points, strict=True)
        shown = style.pop("marker") if len(points) <= 30 else style.pop("marker") and None
        axes.plot(epochs, values, marker=shown, markersize=3.5, linewidth=1.6, **style)


def _over_epochs(axes: Axes) -> None:
    axes.set_xlabel("epoch")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(axis="y", color="#e3e5e8", linewidth=0.8)
    axes.set_axisbelow(True)


def _curves_alt(history: Rows, monitored: str, best_epoch: int | None) -> str:
    parts = [f"Learning curves over {len(history)} epochs."]
    for name in ("train.loss", "val.loss", monitored):
        values = [value for row in history if (value := _number(row.get(name))) is not None]
        if values:
            parts.append(f"{name} goes from {values[0]:.3f} to {values[-1]:.3f}.")
    if best_epoch is not None:
        parts.append(f"Epoch {best_epoch} was kept.")
    return " ".join(parts)


def _positive(history: Rows, name: str) -> list[float]:
    return [value for row in history if (value := _number(row.get(name))) is not None and value > 0]


def _number(value: Any) -> float | None:
    return float(value) if isinstance(value, (int, float)) and math.isfinite(value) else None
