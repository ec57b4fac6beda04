"""What the report says about the data: how many images of what, which were skipped, which are copies. Torch-free."""

from __future__ import annotations

import csv
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from graft.data.samples import SPLITS, PreparedData, Sample, noun_of
from graft.report.sections import Gallery, Picture, Section, Table
from graft.report.thumbnails import shown

if TYPE_CHECKING:
    from graft.data.decoder import Decoder
    from graft.tasks.contract import Task

_ROWS = 200
_EXAMPLES = 12


def data_sections(folder: Path, prepared: PreparedData | None, task: Task, decoder: Decoder) -> list[Section]:
    """Return the sections on a run's data; from the run folder alone where `prepared` is None."""
    sections = [_counts(folder, prepared, task)]
    if prepared is not None and (examples := _examples(prepared, task, decoder)):
        sections.append(examples)
    return [*sections, _skipped(folder), _copies(folder)]


def images_per_split(folder: Path) -> Counter[str]:
    """Return how many images each split has, from the run's `split.csv`."""
    return Counter(row["split"] for row in _read(folder / "split.csv"))


def _counts(folder: Path, prepared: PreparedData | None, task: Task) -> Section:
    images = images_per_split(folder)
    rows: list[tuple[str | int, ...]] = []
    if prepared is not None:
        seen = task.shows(prepared.catalogue)
        per_split = {
            split: Counter(word for index in prepared.split.get(split, ()) for word in seen[index]) for split in SPLITS
        }
        words = Counter(word for counts in per_split.values() for word in counts.elements())
        order = [name for name in task.classes if name in words]
        order += sorted(words.keys() - set(order))
        rows = [(word, *(per_split[split][word] for split in SPLITS), words[word]) for word in order]
    noun = noun_of(prepared.catalogue.samples) if prepared is not None else "images"
    total: tuple[str | int, ...] = (f"all {noun}", *(images[split] for split in SPLITS), images.total())
    how = f"Divided {prepared.split_by}. " if prepared is not None else ""
    return Section(
        title=f"{noun.capitalize()} per class",
        how_to_read=f"{how}A class with few training {noun} is learnt badly; one with few test {noun} is measured "
        "badly.",
        parts=[Table(columns=("class", *SPLITS, "sum"), rows=[*rows, total])],
    )


def _examples(prepared: PreparedData, task: Task, decoder: Decoder) -> Section | None:
    strata = task.strata(prepared.catalogue)
    seen = task.shows(prepared.catalogue)
    first: dict[str, Sample] = {}
    train = prepared.split.get("train", ())
    for index in train:
        first.setdefault(strata[index], prepared.catalogue.samples[index])
    # A class that is the rarest of no image is in some of them all the same.
    for index in train:
        for word in seen[index]:
            first.setdefault(word, prepared.catalogue.samples[index])
    if not first:
        return None
    pictures = [
        Picture(
            path=sample.path, caption=word, pixels=shown(sample, decoder=decoder, task=task, target=task.encode(sample))
        )
        for word, sample in sorted(first.items())[:_EXAMPLES]
    ]
    more = f" Of {len(first)}, the first {_EXAMPLES} are shown." if len(first) > _EXAMPLES else ""
    return Section(
        title="One training image of each class",
        how_to_read=f"If a picture does not fit its name, the annotations are mixed up.{more}",
        parts=[Gallery(pictures=pictures)],
    )


def _skipped(folder: Path) -> Section:
    rows = _read(folder / "bad_files.csv")
    return Section(
        title=f"Skipped files: {len(rows)}",
        how_to_read="Images that could not be decoded. They were not used in any split."
        if rows
        else "Every image file could be decoded.",
        parts=[_table(rows)] if rows else [],
    )


def _copies(folder: Path) -> Section:
    sets: defaultdict[str, list[Mapping[str, str]]] = defaultdict(list)
    for row in _read(folder / "duplicates.csv"):
        sets[row["sha256"]].append(row)
    leaks = sum(len({row["split"] for row in copies}) > 1 for copies in sets.values())
    rows = [
        {
            "same content": ", ".join(row["id"] for row in copies),
            "splits": ", ".join(row["split"] for row in copies),
        }
        for copies in sets.values()
    ]
    reading = "No two files have the same content. Nearly equal images are not looked for here, but by graft try."
    if rows:
        reading = f"Files with the same content, of which {leaks or 'none'} reach over more than one split. " + (
            "Those images are known from training, and results look better than they are. " if leaks else ""
        )
        reading += "Nearly equal images are not looked for here, but by graft try."
    return Section(
        title=f"Identical files: {len(rows)} sets", how_to_read=reading, parts=[_table(rows)] if rows else []
    )


def _table(rows: Sequence[Mapping[str, str]]) -> Table:
    columns = list(rows[0])
    shown: list[Sequence[str]] = [[row[column] for column in columns] for row in rows[:_ROWS]]
    if len(rows) > _ROWS:
        shown.append([f"… and {len(rows) - _ROWS} more, in the run folder", *[""] * (len(columns) - 1)])
    return Table(columns=columns, rows=shown)


def _read(path: Path) -> list[dict[str, str]]:
    if not path.is_file():
        return []
    with path.open(encoding="utf-8", errors="surrogateescape", newline="") as file:
        return list(csv.DictReader(file))
