"""Which of the ranked backbones to take: limits, rankings that never look at the data, a verdict. Torch-free."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from graft.errors import Problem, UserError

if TYPE_CHECKING:
    from graft.features.rank import Ranked

_NUMBER = r"(\d+(?:\.\d+)?)\s*"
_TIME = re.compile(_NUMBER + r"(ms|s|us)?")
_COUNT = re.compile(_NUMBER + r"([kKmMgGbB])?")
_SECONDS = {"us": 1e-6, "ms": 1e-3, "s": 1.0}
_TIMES = {"k": 10**3, "m": 10**6, "g": 10**9, "b": 10**9}


@dataclass(frozen=True)
class Limits:
    """What a backbone may cost.

    Args:
        latency: Seconds for one image; None for any.
        parameters: Their number; None for any.
    """

    latency: float | None = None
    parameters: int | None = None

    def broken_by(self, row: Ranked) -> str:
        """Return which limits a candidate breaks, in words; empty when it keeps all."""
        slow = self.latency is not None and row.costs.latency > self.latency
        large = self.parameters is not None and row.costs.parameters > self.parameters
        return " and ".join(["too slow"] * slow + ["too large"] * large)

    def __bool__(self) -> bool:
        """Return whether there are any."""
        return (self.latency, self.parameters) != (None, None)


def limits_of(latency: str | None, parameters: str | None) -> Limits:
    """Return limits as they are typed: `20ms` or `0.5s`, and `10M` or `500k`.

    Raises:
        UserError: With each that is no such number.
    """
    problems = []
    seconds = count = None
    if latency is not None:
        if (found := _TIME.fullmatch(latency)) and found[2] and float(found[1]):
            seconds = float(found[1]) * _SECONDS[found[2]]
        else:
            problems.append(Problem("--max-latency", f"'{latency}' is no length of time", "20ms, or 0.5s"))
    if parameters is not None:
        if (found := _COUNT.fullmatch(parameters)) and float(found[1]):
            count = int(float(found[1]) * _TIMES.get((found[2] or "").lower(), 1))
        else:
            problems.append(Problem("--max-params", f"'{parameters}' is no number", "10M, or 500k"))
    if problems:
        raise UserError("the limits cannot be understood", problems=problems)
    return Limits(seconds, count)


def by_parameters(rows: Sequence[Ranked]) -> list[Ranked]:
    """Return the rows by what is known without the data, the largest network first."""
    return sorted(rows, key=lambda row: -row.costs.parameters)


def by_top1(rows: Sequence[Ranked]) -> list[Ranked]:
    """Return the rows whose accuracy on ImageNet is published, the highest first."""
    return sorted((row for row in rows if row.top1 is not None), key=lambda row: -(row.top1 or 0))


def choose(rows: Sequence[Ranked], limits: Limits) -> tuple[Ranked | None, str]:
    """Return the best candidate that keeps the limits, None when none does, and the reason in words.

    Args:
        rows: The best probe first.
        limits: What it may cost.
    """
    fitting = [row for row in rows if not limits.broken_by(row)]
    what = " within the limits" if limits else ""
    if not fitting:
        fastest = min(rows, key=lambda row: row.costs.latency)
        smallest = min(rows, key=lambda row: row.costs.parameters)
        return None, (
            f"No candidate is{what}: the fastest is {fastest.candidate.name} with "
            f"{1000 * fastest.costs.latency:.1f} ms, the smallest {smallest.candidate.name} with "
            f"{smallest.costs.parameters / 1e6:.1f} million parameters."
        )
    best = fitting[0]
    text = f"{best.candidate.name} is best{what}: its probe reaches {_with_interval(best)}"
    if len(fitting) > 1:
        second = fitting[1]
        text += f"; next is {second.candidate.name} with {_with_interval(second)}, "
        text += (
            "and their intervals overlap: which is better may be chance"
            if _overlap(best, second)
            else "and their intervals do not overlap"
        )
    elif len(rows) > 1:
        text += "; no other keeps them"
    return best, text + "." + _without_the_data(fitting, best)


def _with_interval(row: Ranked) -> str:
    accuracy = row.probe.accuracy
    if accuracy.low is None or accuracy.high is None:
        return f"{accuracy.value:.3f}"
    return f"{accuracy.value:.3f} ({accuracy.low:.3f} … {accuracy.high:.3f})"


def _overlap(better: Ranked, worse: Ranked) -> bool:
    low, high = better.probe.accuracy.low, worse.probe.accuracy.high
    return low is None or high is None or low <= high


def _without_the_data(rows: Sequence[Ranked], best: Ranked) -> str:
    """Return what the rankings that never look at the data would have chosen, where it is another."""
    if len(rows) < 2:
        return ""
    others = {"the number of parameters": by_parameters(rows)[0]}
    if len(published := by_top1(rows)) > 1:
        others["the accuracy published for ImageNet"] = published[0]
    named = [f"{row.candidate.name} by {what}" for what, row in others.items() if row is not best]
    return f" Who never looked at the images would take {' and '.join(named)}." if named else ""
