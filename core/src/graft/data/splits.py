"""Dividing samples into train, val and test: a function of their ids, groups, strata and a seed. Torch-free.

What is divided are *units*: the samples of one group, and files with the same content, always stay together, so that a
split that Graft draws never leaks. A sample's stratum is the word that the task gives it, a class for instance; every
stratum has a sample in train. What is divided by time is in `graft.data.times`.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from math import ceil, floor

from graft.data.samples import SPLITS, Sample
from graft.data.times import by_time
from graft.errors import DataError
from graft.recipe.schema import Split

Unit = tuple[int, ...]
"""Indices of samples that stay together, ascending."""


@dataclass(frozen=True)
class Division:
    """How samples were divided.

    Args:
        split: Ascending indices for each of `train`, `val`, `test`.
        by: How, in one sentence.
        notes: What did not come out as asked for.
    """

    split: dict[str, list[int]]
    by: str
    notes: tuple[str, ...] = ()


def divide(samples: Sequence[Sample], strata: Sequence[str], options: Split, *, digests: Mapping[str, str]) -> Division:
    """Divide samples as `options` says; `auto` takes a given split, else groups, else strata.

    The result does not depend on the order of `samples`.

    Args:
        samples: The usable samples.
        strata: One word per sample.
        options: What to divide by, the shares of val and test, and the seed.
        digests: SHA-256 of each file, by sample id.

    Raises:
        DataError: When the data has no split, no groups or no times to divide by.
    """
    given = any(sample.split for sample in samples)
    grouped = any(sample.group is not None for sample in samples)
    by = options.by if options.by != "auto" else "given" if given else "group" if grouped else "stratified"
    if by == "given":
        return _given(samples, strata, options, digests, grouped=grouped)
    if by == "group" and not grouped:
        raise DataError(
            "data.split.by = 'group', but no sample has a group",
            fix="give the table a group column, or find the group in the names: data.group='(p[0-9]+)_'",
        )
    if by == "time":
        division = Division(*by_time(samples, _wanted(options)))
    else:
        division = _drawn(range(len(samples)), samples, strata, options, digests, by=by, wanted=_wanted(options))
    if given:
        note = f"the data has a split of its own, which data.split.by = '{by}' overrules"
        return Division(division.split, division.by, (note, *division.notes))
    return division


def _wanted(options: Split) -> dict[str, float]:
    return {"val": options.val, "test": options.test}


def _given(
    samples: Sequence[Sample], strata: Sequence[str], options: Split, digests: Mapping[str, str], *, grouped: bool
) -> Division:
    split: dict[str, list[int]] = {name: [] for name in SPLITS}
    homeless = []
    for index, sample in enumerate(samples):
        if sample.split is None:
            homeless.append(sample)
        else:
            split[sample.split].append(index)
    if homeless:
        raise DataError(
            f"data.split.by = 'given', but {len(homeless)} of {len(samples)} samples have no split, "
            f"the first of them {homeless[0].id}",
            fix="give every sample a split, or choose data.split.by=stratified",
        )
    if not split["train"]:
        raise DataError("the given split has no sample for train", fix="name the training data 'train'")
    missing = {name: share for name, share in _wanted(options).items() if share and not split[name]}
    if not missing:
        return Division(split, "as given")
    by = "group" if grouped else "stratified"
    carved = _drawn(split["train"], samples, strata, options, digests, by=by, wanted=missing)
    split.update({name: carved.split[name] for name in ("train", *missing)})
    return Division(split, f"as given; {' and '.join(missing)} taken from train, {carved.by}", carved.notes)


def _drawn(
    indices: Iterable[int],
    samples: Sequence[Sample],
    strata: Sequence[str],
    options: Split,
    digests: Mapping[str, str],
    *,
    by: str,
    wanted: Mapping[str, float],
) -> Division:
    """Divide some of the samples at random; `wanted` are the shares of the splits beside train."""

    def draw(unit: Unit) -> bytes:
        return blake2b(f"{options.seed}/{min(samples[i].id for i in unit)}".encode("utf-8", "surrogateescape")).digest()

    wanted = {name: share for name, share in wanted.items() if share}
    indices = list(indices)
    units = sorted(_units(indices, samples, digests, grouped=by == "group"), key=draw)
    words = ["" for _ in strata] if by == "random" else strata
    places = _by_balance(units, words, wanted) if by == "group" else _by_quota(units, words, wanted)
    _cover(units, places, strata)
    split: dict[str, list[int]] = {name: [] for name in SPLITS}
    for unit, place in zip(units, places, strict=True):
        split[place].extend(unit)
    for members in split.values():
        members.sort()
    how = {"random": "at random", "stratified": "stratified", "group": "by group"}[by]
    shares = "".join(f", {share:.0%} {name}" for name, share in wanted.items())
    return Division(split, f"{how}{shares}, seed {options.seed}", _empty(split, wanted))


def _units(
    indices: Sequence[int], samples: Sequence[Sample], digests: Mapping[str, str], *, grouped: bool
) -> list[Unit]:
    parent = {index: index for index in indices}

    def root(index: int) -> int:
        while parent[index] != index:
            parent[index] = index = parent[parent[index]]
        return index

    first: dict[tuple[str, str], int] = {}
    for index in indices:
        ties = [("digest", digests[samples[index].id])] if samples[index].id in digests else []
        group = samples[index].group
        if grouped and group is not None:
            ties.append(("group", group))
        for tie in ties:
            parent[root(index)] = root(first.setdefault(tie, index))
    members: dict[int, list[int]] = defaultdict(list)
    for index in indices:
        members[root(index)].append(index)
    return [tuple(sorted(unit)) for unit in members.values()]


def _by_quota(units: Sequence[Unit], strata: Sequence[str], wanted: Mapping[str, float]) -> list[str]:
    """Place units so that each stratum has its share of each split, rounded such that the totals come out too."""
    places = ["train"] * len(units)
    by_stratum: dict[str, list[int]] = defaultdict(list)
    for number, unit in enumerate(units):
        by_stratum[strata[unit[0]]].append(number)
    owed = dict.fromkeys(wanted, 0.0)
    for stratum in sorted(by_stratum):
        numbers = by_stratum[stratum]
        free = len(numbers) - 1
        start = 0
        for name, share in wanted.items():
            # What rounding takes from one stratum it owes to the next.
            owed[name] += share * len(numbers)
            take = max(0, min(floor(owed[name] + 0.5), ceil(share * len(numbers)), free))
            owed[name] -= take
            free -= take
            for number in numbers[start : start + take]:
                places[number] = name
            start += take
    return places


def _by_balance(units: Sequence[Unit], strata: Sequence[str], wanted: Mapping[str, float]) -> list[str]:
    """Place units of any size, large ones first, each where most is missing of what it contains."""
    contents = [Counter(strata[index] for index in unit) for unit in units]
    total = Counter[str]()
    for content in contents:
        total.update(content)
    shares = {"train": 1 - sum(wanted.values()), **wanted}
    missing = {name: {word: share * count for word, count in total.items()} for name, share in shares.items()}
    places = [""] * len(units)

    def lack(name: str, content: Counter[str]) -> float:
        return sum(count * missing[name][word] / total[word] for word, count in content.items())

    for number in sorted(range(len(units)), key=lambda number: -len(units[number])):
        content = contents[number]
        place = max(shares, key=lambda name: lack(name, content))
        places[number] = place
        for word, count in content.items():
            missing[place][word] -= count
    # With few groups a split can end up empty: it then gets the smallest unit that train can spare. Test goes first,
    # because a result without a test split says nothing.
    for name in reversed(list(wanted)):
        if name not in places:
            here = _content(units, places, "train", strata)
            spare = [
                number
                for number, place in enumerate(places)
                if place == "train" and all(here[word] > count for word, count in contents[number].items())
            ]
            if spare:
                places[min(spare, key=lambda number: len(units[number]))] = name
    return places


def _content(units: Sequence[Unit], places: Sequence[str], name: str, strata: Sequence[str]) -> Counter[str]:
    return Counter(strata[index] for unit, place in zip(units, places, strict=True) if place == name for index in unit)


def _cover(units: Sequence[Unit], places: list[str], strata: Sequence[str]) -> None:
    """Move the smallest unit of each stratum that train has none of into train."""
    known = _content(units, places, "train", strata)
    for word in sorted({strata[index] for unit in units for index in unit} - set(known)):
        if known[word]:
            continue
        number = min(
            (n for n, unit in enumerate(units) if any(strata[index] == word for index in unit)),
            key=lambda n: len(units[n]),
        )
        places[number] = "train"
        known.update(strata[index] for index in units[number])


def lacking(split: Mapping[str, Sequence[int]], shows: Sequence[Collection[str]]) -> list[str]:
    """Return, for each split beside train that is not empty, which classes are in others and not in it.

    Args:
        split: Indices.
        shows: The classes that each sample shows.
    """
    seen = {name: {word for index in indices for word in shows[index] if word} for name, indices in split.items()}
    every = set().union(*seen.values())
    notes = []
    for name, words in seen.items():
        absent = sorted(every - words) if split[name] and name != "train" else []
        if absent:
            shown = ", ".join(absent[:5]) + (f" and {len(absent) - 5} more" if len(absent) > 5 else "")
            notes.append(f"{name} has no sample of {shown}, and says nothing about them")
    return notes


def _empty(split: Mapping[str, Sequence[int]], wanted: Mapping[str, float]) -> tuple[str, ...]:
    return tuple(
        f"{name} is empty: there are too few samples, or groups, to divide" for name in wanted if not split[name]
    )
