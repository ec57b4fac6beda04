"""The picture of a learning-rate range test."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from matplotlib.figure import Figure

from graft.report.sections import Figure as Drawn

_DARK, _ORANGE, _GREY = "#1f4e79", "#c8641e", "#8a8f98"
_MARKS = ((_ORANGE, "o", "-"), (_GREY, "s", "--"))


def range_test(
    rates: Sequence[float], losses: Sequence[float], means: Sequence[float], suggestions: Mapping[str, float]
) -> Drawn:
    """Draw the loss, as it was and smoothed, over the rising base rate; each suggestion is marked.

    Args:
        rates: The base rate of each step.
        losses: Of the same steps.
        means: The smoothed losses; those that are not finite are not drawn.
        suggestions: Rates among those, by the name of the rule.
    """
    figure = Figure(figsize=(7.5, 4.2), layout="constrained")
    axes = figure.subplots()
    axes.plot(rates, losses, ".", color=_GREY, alpha=0.6, markersize=4, label="loss of a step")
    axes.plot(rates, means, color=_DARK, linewidth=1.8, label="smoothed")
    for (name, rate), (colour, marker, line) in zip(suggestions.items(), _MARKS, strict=False):
        axes.axvline(rate, color=colour, linestyle=line, linewidth=1.2)
        loss = means[rates.index(rate)]
        axes.plot([rate], [loss], marker, color=colour, markersize=7, label=f"{name}: {rate:.1e}")
    axes.set_xscale("log")
    lowest = min(means)
    highest = max(means[: means.index(lowest) + 1])
    if highest > lowest:
        # A loss that explodes in the end would make one flat line of all that comes before.
        bottom = min(*losses, lowest)
        axes.set_ylim(bottom - 0.05 * (highest - bottom), highest + 0.6 * (highest - lowest))
    axes.set_xlabel("base learning rate (strategy.pace.lr)")
    axes.set_ylabel("loss")
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(axis="y", color="#e3e5e8", linewidth=0.8)
    axes.set_axisbelow(True)
    axes.legend(frameon=False, fontsize=8)
    return Drawn(figure=figure, alt=_alt(rates, means, suggestions))


def _alt(rates: Sequence[float], means: Sequence[float], suggestions: Mapping[str, float]) -> str:
    marked = "; ".join(f"{name} suggests {rate:.1e}" for name, rate in suggestions.items()) or "no suggestion"
    return (
        f"Smoothed loss at learning rates rising from {rates[0]:.0e} to {rates[-1]:.0e}: from {means[0]:.3f} "
        f"down to {min(means):.3f}. {marked}."
    )
