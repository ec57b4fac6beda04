"""Dividing samples by time: train before val before test, as a model is trained on the past and used on what comes.

Samples of one group stay together, and so do samples of the same moment; where groups overlap in time, no cut lies
between them. Files with equal content are where their times put them: `data.duplicates` says what becomes of them.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from itertools import pairwise
from typing import Any

from graft.data.frames import natural
from graft.data.samples import SPLITS, Sample
from graft.errors import DataError, Problem


def by_time(
    samples: Sequence[Sample], wanted: Mapping[str, float]
) -> tuple[dict[str, list[int]], str, tuple[str, ...]]:
    """Return the split, how it was made in one sentence, and what did not come out as asked for.

    No sample of train is as late as one of val, and none of val as late as one of test.

    Args:
        samples: With a time each; or none with one, when the names of their files or folders stand for it.
        wanted: The shares of `val` and `test`.

    Raises:
        DataError: When some samples have no time, or there is no moment at which they could be divided.
    """
    moments, kind = _moments(samples)
    order = sorted(range(len(samples)), key=lambda index: (moments[index], natural(samples[index].id)))
    cuts = _cuts([moments[index] for index in order], [samples[index].group for index in order])
    asked = [name for name in ("val", "test") if wanted.get(name)]
    if asked and not cuts:
        raise DataError(
            f"data.split.by = 'time', but there is no moment at which the {len(samples)} samples could be divided: "
            "they are of one time, or their groups overlap",
            fix="choose data.split.by=group, or give the samples other groups or times",
        )
    # A result without a test split says nothing: test goes first when there is but one moment.
    served = asked[-1:] if len(cuts) < len(asked) else asked
    places = _places(cuts, [wanted[name] for name in served], len(samples))
    bounds = [0, *places, len(samples)]
    split: dict[str, list[int]] = {name: [] for name in SPLITS}
    for name, (start, end) in zip(("train", *served), pairwise(bounds), strict=True):
        split[name] = sorted(order[start:end])
    shares = "".join(f", {wanted[name]:.0%} {name}" for name in asked)
    starts = "".join(
        f", {name} from {samples[order[place]].time or samples[order[place]].id}"
        for name, place in zip(served, places, strict=True)
    )
    return split, f"by time ({kind}){shares}{starts}", _empty(split, asked)


def _moments(samples: Sequence[Sample]) -> tuple[list[Any], str]:
    """Return what to sort the samples by, and what that is."""
    times = [sample.time for sample in samples]
    if not any(times):
        return [
            natural(sample.id.rpartition("/")[2])[0] for sample in samples
        ], "the order of names, as no time is given"
    without = [sample for sample in samples if sample.time is None]
    if without:
        raise DataError(
            f"data.split.by = 'time', but {len(without)} of {len(samples)} samples have no time",
            problems=[Problem(sample.where or sample.id, "no time") for sample in without],
            fix="give every sample a time, or choose data.split.by=stratified",
        )
    readings: tuple[tuple[Callable[[str], Any], str], ...] = ((_number, "numbers"), (_date, "dates"))
    for reading, kind in readings:
        try:
            return [reading(str(time)) for time in times], kind
        except ValueError:
            continue
    return [natural(str(time))[0] for time in times], "the order of texts, as not all times are numbers or ISO dates"


def _number(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise ValueError(text)
    return number


def _date(text: str) -> datetime:
    """Return an ISO date; one without a zone is taken for UTC, like all others of the data."""
    date = datetime.fromisoformat(text)
    return date if date.tzinfo else date.replace(tzinfo=UTC)


def _cuts(moments: Sequence[Any], groups: Sequence[str | None]) -> list[int]:
    """Return the places, in order of time, before which no sample is of the same moment or group as one behind."""
    last: dict[str, int] = {}
    for place, group in enumerate(groups):
        if group is not None:
            last[group] = place
    cuts, reach = [], -1
    for place, group in enumerate(groups):
        if place and place > reach and moments[place - 1] != moments[place]:
            cuts.append(place)
        if group is not None:
            reach = max(reach, last[group])
    return cuts


def _places(cuts: Sequence[int], shares: Sequence[float], n: int) -> list[int]:
    """Return as many ascending cuts as there are shares, each as near as can be to where its share begins."""
    ideal = [n * (1 - sum(shares[number:])) for number in range(len(shares))]
    places: list[int] = []
    for number, point in enumerate(ideal):
        left = len(ideal) - number - 1
        free = [cut for cut in cuts if not places or cut > places[-1]]
        places.append(min(free[: len(free) - left], key=lambda cut: abs(cut - point)))
    return places


def _empty(split: Mapping[str, Sequence[int]], asked: Sequence[str]) -> tuple[str, ...]:
    why = "there are too few moments at which the samples could be divided"
    return tuple(f"{name} is empty: {why}" for name in asked if not split[name])
