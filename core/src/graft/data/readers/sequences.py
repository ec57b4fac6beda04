"""Sequences of images: a folder for each, in one folder per class; or a table with one row per frame. Torch-free."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from pydantic import BaseModel

from graft.data.decoder import Decoder
from graft.data.frames import natural, spread
from graft.data.options import SequenceOptions
from graft.data.reader import Reader
from graft.data.readers._files import (
    SPLIT_WORDS,
    as_text,
    class_problems,
    classes_of,
    folders_in,
    is_hidden,
    require_path,
    split_folders,
    twin_notes,
)
from graft.data.readers._sequence_table import SequenceTable
from graft.data.readers.table import is_table, lists_frames
from graft.data.samples import Catalogue, Sample
from graft.errors import DataError, Problem

_LAYOUT = "put each sequence into a folder, in the folder of its class: {root}/walk/clip1/1.png, {root}/run/clip2/1.png"
_NAMED = 5


class SequenceReader(Reader):
    """Reads `class/sequence/*.png`, `train|val|test/class/sequence/*.png`, or a table with the frames of sequences.

    Frames come in the natural order of their names or numbers. Targets are tuples of class names.
    """

    def detect(self, path: Path) -> str | None:
        """Return why `path` is read as sequences: a table has columns for them.

        Folders are not: one in a class folder may as well hold images that have nothing to do with each other.
        """
        return "a table with the columns sequence and frame" if is_table(path) and lists_frames(path) else None

    def read(self, path: Path, options: BaseModel) -> Catalogue:
        """Return the sequences below a folder, or those in a table.

        Raises:
            DataError: With every mistake in the layout or the table at once.
        """
        if not isinstance(options, SequenceOptions):
            raise TypeError(f"SequenceOptions are needed, not {type(options).__name__}")
        require_path(path, "data")
        found = _from_folders(path, options, self.decoder) if path.is_dir() else _from_table(path, options)
        kept = [sample for sample in found.samples if len(sample.frames) >= options.min_frames]
        samples = [_shortened(sample, options.max_frames) for sample in kept]
        problems = found.problems or class_problems(samples, path.name)
        problems += [
            Problem(f"class {name}", f"each of its sequences has fewer than min_frames = {options.min_frames} frames")
            for name in sorted(set(classes_of(found.samples)) - set(classes_of(samples)))
        ]
        if problems:
            raise DataError(f"{path} cannot be read as sequences", problems=problems, fix=found.fix)
        classes = tuple(classes_of(samples))
        return Catalogue(
            samples=tuple(sorted(samples, key=lambda sample: sample.id)),
            classes=classes,
            reader="sequences",
            root=found.root,
            notes=(*found.notes, *_lengths(samples), *_short(found.samples, options.min_frames), *twin_notes(classes)),
            max_frames=options.max_frames,
        )


@dataclass
class _Found:
    """What there is, and what is wrong with it."""

    root: Path
    samples: list[Sample] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)
    fix: str = "correct these lines"
    notes: list[str] = field(default_factory=list)


def _shortened(sample: Sample, most: int | None) -> Sample:
    frames = spread(sample.frames, most)
    return Sample(**{**sample.__dict__, "frames": frames, "path": frames[0]})


def _lengths(samples: list[Sample]) -> Iterator[str]:
    lengths = sorted(len(sample.frames) for sample in samples)
    if lengths:
        yield f"{sum(lengths)} frames, {lengths[0]} to {lengths[-1]} in a sequence"


def _short(samples: list[Sample], fewest: int) -> Iterator[str]:
    short = [f"{sample.id} ({len(sample.frames)})" for sample in samples if len(sample.frames) < fewest]
    if short:
        more = f" and {len(short) - _NAMED} more" if len(short) > _NAMED else ""
        yield f"passed over {len(short)} sequences of fewer than {fewest} frames: {', '.join(short[:_NAMED])}{more}"


def _from_table(path: Path, options: SequenceOptions) -> _Found:
    table = SequenceTable(path, options)
    problems = table.read()
    every = bool(table.samples) and len(table.missing) == sum(len(sample.frames) for sample in table.samples)
    if problems or every:
        problems = [*problems, *table.missing]
    fix = table.wrong_root() if every else None
    return _Found(root=table.root, samples=table.samples, problems=problems, fix=fix or "correct these lines")


def _from_folders(path: Path, options: SequenceOptions, decoder: Decoder) -> _Found:
    scan = _Scan(path, options, decoder)
    try:
        parts = split_folders(path)
        if parts:
            scan.read_splits(parts)
        else:
            scan.read_classes(path, None)
    except OSError as error:
        raise DataError(f"{error.filename} cannot be listed: {error.strerror}", fix="make it readable") from error
    return _Found(
        root=path,
        samples=scan.samples,
        problems=scan.problems,
        fix=scan.fix or _LAYOUT.format(root=path),
        notes=scan.notes(),
    )


@dataclass
class _Scan:
    root: Path
    options: SequenceOptions
    decoder: Decoder
    samples: list[Sample] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)
    fix: str | None = None
    outside: int = 0
    passed: Counter[str] = field(default_factory=Counter)

    def read_splits(self, parts: list[Path]) -> None:
        words = [SPLIT_WORDS[part.name.casefold()] for part in parts]
        self.look_beside(self.root)
        for part, word in zip(parts, words, strict=True):
            if words.count(word) > 1:
                self.problems.append(Problem(self.name(part), f"one of {words.count(word)} folders for {word}"))
            self.read_classes(part, word)
        if "train" not in words:
            self.problems.append(Problem(self.name(self.root), f"has {' and '.join(words)}, but no folder train"))
        for folder in folders_in(self.root):
            if folder not in parts:
                self.problems.append(Problem(self.name(folder), "a folder beside those of the splits"))

    def read_classes(self, top: Path, split: str | None) -> None:
        folders = folders_in(top)
        self.look_beside(top)
        if not folders:
            self.problems.append(Problem(self.name(top), "no class folders"))
        for folder in folders:
            self.read_class(folder, split)

    def read_class(self, folder: Path, split: str | None) -> None:
        sequences = folders_in(folder)
        self.look_beside(folder)
        if not sequences:
            what = "the class folder has no folder of a sequence"
            images = sum(self.decoder.reads(entry) for entry in folder.iterdir())
            hint = "single images are read by data.reader.kind=folder" if images else None
            self.problems.append(Problem(self.name(folder), f"{what}, but {images} images" if images else what, hint))
        for sequence in sequences:
            self.read_sequence(sequence, folder, split)

    def read_sequence(self, sequence: Path, folder: Path, split: str | None) -> None:
        frames = self.frames(sequence)
        inner = folders_in(sequence)
        if inner:
            names = ", ".join(entry.name for entry in inner[:3])
            self.problems.append(Problem(self.name(sequence), f"folders in the folder of a sequence: {names}"))
        elif not frames:
            self.problems.append(Problem(self.name(sequence), "the folder of a sequence has no image"))
            self.fix = self.fix or "add its frames, or remove the folder"
        else:
            self.samples.append(
                Sample(
                    id=self.name(sequence),
                    path=frames[0],
                    target=(as_text(folder.name),),
                    split=split,
                    frames=frames,
                )
            )

    def frames(self, sequence: Path) -> tuple[Path, ...]:
        found = []
        for entry in os.scandir(sequence):
            if is_hidden(entry.name) or entry.is_dir():
                continue
            if self.decoder.reads(Path(entry)):
                found.append(Path(entry))
            else:
                self.passed[Path(entry.name).suffix.lower() or "without a suffix"] += 1
        return tuple(sorted(found, key=lambda frame: natural(frame.name)))

    def look_beside(self, folder: Path) -> None:
        self.outside += sum(
            not is_hidden(entry.name) and not entry.is_dir() and self.decoder.reads(Path(entry))
            for entry in os.scandir(folder)
        )

    def name(self, path: Path) -> str:
        return as_text(path.relative_to(self.root).as_posix() if path != self.root else str(path))

    def notes(self) -> list[str]:
        notes = []
        if self.passed:
            kinds = ", ".join(f"{count} {suffix}" for suffix, count in sorted(self.passed.items()))
            notes.append(f"passed over {self.passed.total()} files that are no images ({kinds})")
        if self.outside:
            notes.append(f"passed over {self.outside} images that lie outside of every sequence's folder")
        return notes
