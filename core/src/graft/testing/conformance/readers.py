"""Readers: samples in a fixed order, and a typed error for whatever is damaged."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, NoReturn

import pytest

from graft.console import Console
from graft.data import Catalogue, Reader
from graft.data.decoder import STANDARD, Decoder
from graft.data.prepare import prepare
from graft.data.store import PixelStore
from graft.errors import GraftError
from graft.plugins import ReaderSpec, TaskSpec
from graft.preprocess import Preprocess
from graft.recipe.schema import Data
from graft.testing.conformance.base import Conformance, Subject
from graft.testing.data import Lab

_TYPED = "a graft.errors.DataError that names the file, or samples"


def _truncated(content: bytes) -> bytes:
    return content[: len(content) // 2]


def _recoded(content: bytes) -> bytes:
    return content.decode("utf-8", "replace").encode("utf-16")


def _with_a_nul(content: bytes) -> bytes:
    middle = len(content) // 2
    return content[:middle] + b"\0" + content[middle:]


DAMAGES: Mapping[str, Callable[[bytes], bytes]] = {
    "emptied": lambda content: b"",
    "cut off in the middle": _truncated,
    "replaced by bytes that are no text": lambda content: bytes(range(128, 256)) * 4,
    "saved in UTF-16": _recoded,
    "with a NUL byte in it": _with_a_nul,
}
"""What happens to files, by what is said of it."""

_MEANINGLESS = ("emptied", "replaced by bytes that are no text")
"""After these nothing of an annotation is left: who reads fewer samples from it, and says nothing, has lost them."""


class ReaderConformance(Conformance):
    """What is checked of a reader.

    Write `good`, which writes a small data set in its format. By default it is the sample data of a task that takes
    what it gives.
    """

    kind = ReaderSpec
    base = Reader
    decoder: Decoder = STANDARD
    """Knows the images of `good`, where they are no usual ones."""

    def good(self, folder: Path) -> Path | None:
        """Write a data set, with its images, into an empty folder, and return what `data.train` would be."""
        return None

    @pytest.fixture
    def good_data(self, subject: Subject, tmp_path: Path, graft_lab: Lab) -> Path:
        """A data set that can be read."""
        folder = tmp_path / "good"
        folder.mkdir()
        given = self.good(folder)
        if given is not None:
            return given
        task = _task(subject)
        if task is None:
            self._without_good(subject, "no task takes what it gives, so there is nothing to try it with")
        own = graft_lab.folder(task.name, per_class=1) / "target"
        shutil.copytree(own, folder, dirs_exist_ok=True)
        if self._reader(subject).detect(folder) is None:
            self._without_good(subject, f"the sample data of '{task.name}' are another format than its own")
        return folder

    def _without_good(self, subject: Subject, what: str) -> NoReturn:
        subject.fail(what, expected="a method `good(folder)` that writes a small data set in its format", at=type(self))

    def test_detect__knows_its_own(self, subject: Subject, good_data: Path, tmp_path: Path) -> None:
        """It says why good data are its format, and None of what is not."""
        reader, at = self._reader(subject), subject.method("detect")
        with subject.doing("detect, of good data,", expected="one sentence", at=at):
            reason = reader.detect(good_data)
        good = isinstance(reason, str) and reason.strip() and "\n" not in reason
        subject.demand(good, f"detect gave {reason!r} for good data", expected="one sentence on why", at=at)
        (tmp_path / "text.txt").write_text("Nothing of interest.\n", encoding="utf-8")
        (tmp_path / "bytes.bin").write_bytes(bytes(range(256)))
        (tmp_path / "empty").mkdir()
        for name in ("text.txt", "bytes.bin", "nowhere", "empty"):
            with subject.doing(f"detect, of '{name}',", expected="None", at=at, allowed=GraftError):
                found = reader.detect(tmp_path / name)
                subject.demand(found is None, f"detect says of '{name}': {found}", expected="None", at=at)

    def test_read__samples_in_a_fixed_order(self, subject: Subject, good_data: Path, tmp_path: Path) -> None:
        """Ids are sorted, unique and the same wherever the data lie; classes are in a fixed order."""
        at = subject.method("read")
        catalogue = self._read(subject, good_data)
        subject.demand(
            isinstance(catalogue, Catalogue) and len(catalogue.samples) > 0,
            "read gave no samples of good data",
            expected="a graft.data.Catalogue with samples",
            at=at,
        )
        ids = [sample.id for sample in catalogue.samples]
        subject.demand(ids == sorted(ids), f"ids are not sorted: {ids[:4]} …", expected="samples sorted by id", at=at)
        subject.demand(len(set(ids)) == len(ids), "two samples have one id", expected="unique ids", at=at)
        bad = [one for one in ids if "\\" in one or one.startswith("/") or str(catalogue.root) in one]
        subject.demand(not bad, f"the id '{bad[:1]}'", expected="the path relative to the data's root, with /", at=at)
        gone = [sample.id for sample in catalogue.samples if not all(file.exists() for file in sample.files)]
        subject.demand(not gone, f"the files of {gone[:2]} are not there", expected="paths of the images", at=at)
        for sample in catalogue.samples:
            known = sample.split in (None, "train", "val", "test")
            subject.demand(known, f"the split '{sample.split}'", expected="train, val, test or None", at=at)
        classes = catalogue.classes
        labelled = any(sample.target != () for sample in catalogue.samples)
        subject.demand(
            isinstance(classes, tuple) and bool(classes) >= labelled and len(set(classes)) == len(classes),
            f"its classes are {classes!r}",
            expected="a tuple of the names that the annotations have, each once",
            at=at,
        )
        spec = subject.spec
        assert isinstance(spec, ReaderSpec)
        if spec.gives == "labels":
            lost = {name for sample in catalogue.samples for name in sample.target} - set(classes)
            subject.demand(not lost, f"samples have the labels {sorted(lost)}", expected="every label a class", at=at)
        elsewhere = tmp_path / "a" / "copy"
        source = good_data if good_data.is_dir() else good_data.parent
        shutil.copytree(source, elsewhere)
        again = self._read(subject, elsewhere if good_data.is_dir() else elsewhere / good_data.name)
        subject.demand(
            (_facts(catalogue), classes) == (_facts(again), again.classes),
            "the same data in another folder give other ids, classes, splits or groups",
            expected="what depends on the data alone",
            at=at,
        )

    def test_damaged__is_a_typed_error(self, subject: Subject, good_data: Path) -> None:
        """Whatever is wrong with a file: an error that users can read, or samples, and never anything else."""
        whole = self._read(subject, good_data)
        at = subject.method("read")
        for file, annotation in _files(good_data, self.decoder):
            content = file.read_bytes()
            for damage, change in DAMAGES.items():
                file.write_bytes(change(content))
                said = f"with '{file.name}' {damage}"
                now = self._tried(subject, good_data, said)
                lost = now is not None and len(now.samples) < len(whole.samples) and now.notes == whole.notes
                subject.demand(
                    not (lost and annotation and damage in _MEANINGLESS),
                    f"{said}, read gave {len(now.samples) if now else 0} of {len(whole.samples)} samples and no error",
                    expected="a graft.errors.DataError, or a note: what cannot be read must not be lost in silence",
                    at=at,
                )
            file.unlink()
            self._tried(subject, good_data, f"without '{file.name}'")
            file.mkdir()
            self._tried(subject, good_data, f"with a folder called '{file.name}'")
            file.rmdir()
            file.write_bytes(content)

    def test_damaged__error_names_the_file(self, subject: Subject, good_data: Path) -> None:
        """An error about an annotation file names it."""
        for file, annotation in _files(good_data, self.decoder):
            if not annotation:
                continue
            content = file.read_bytes()
            file.write_bytes(DAMAGES["replaced by bytes that are no text"](content))
            try:
                with subject.doing(
                    f"with '{file.name}' damaged, read",
                    expected=_TYPED,
                    at=subject.method("read"),
                    allowed=GraftError,
                ):
                    self._reader(subject).read(good_data, subject.options)
            except GraftError as error:
                text = "\n".join([error.message, *map(str, error.problems)])
                subject.demand(
                    file.stem in text,
                    f"with '{file.name}' damaged, read says: {error.message}",
                    expected="an error that names the file",
                    at=subject.method("read"),
                )
            finally:
                file.write_bytes(content)

    def _tried(self, subject: Subject, path: Path, said: str) -> Catalogue | None:
        """Do all that training does with data before it begins, and return the catalogue, or None where it is refused.

        Whatever is raised must be typed.
        """
        try:
            with subject.doing(f"{said}, detect", expected=_TYPED, at=subject.method("detect"), allowed=GraftError):
                self._reader(subject).detect(path)
        except GraftError:
            pass
        try:
            with subject.doing(f"{said}, read", expected=_TYPED, at=subject.method("read"), allowed=GraftError):
                catalogue = self._reader(subject).read(path, subject.options)
        except GraftError as error:
            subject.demand(
                str(error).strip(), f"{said}, the error says nothing", expected=_TYPED, at=subject.method("read")
            )
            return None
        task = _task(subject)
        if task is not None and catalogue.samples:
            made = subject.plugins.target(task)(classes=catalogue.classes, options=subject.plugins.options(task)())
            channels = min(self.decoder.channels, key=lambda number: number != 3)
            mean = (0.5,) * channels
            store = PixelStore(Preprocess(size=(32, 32), mean=mean, std=mean), decoder=self.decoder)
            try:
                with subject.doing(
                    f"{said}, preparing the samples", expected=_TYPED, at=subject.method("read"), allowed=GraftError
                ):
                    prepare(catalogue, Data(train=str(path)), task=made, store=store, console=Console(quiet=True))
            except GraftError:
                return catalogue
        return catalogue

    def _reader(self, subject: Subject) -> Reader:
        with subject.doing("building it", expected="target(decoder=)", at=subject.method("__init__")):
            reader: Reader = subject.target(decoder=self.decoder)
            return reader

    def _read(self, subject: Subject, path: Path) -> Catalogue:
        with subject.doing("read, of good data,", expected="a graft.data.Catalogue", at=subject.method("read")):
            return self._reader(subject).read(path, subject.options)


def _files(path: Path, decoder: Decoder) -> Iterator[tuple[Path, bool]]:
    """Yield one file of each kind in each folder, and whether it is an annotation rather than an image."""
    if path.is_file():
        yield path, True
    seen: set[tuple[tuple[str, ...], str]] = set()
    root = path if path.is_dir() else path.parent
    for file in sorted(one for one in root.rglob("*") if one.is_file() and one != path):
        # Below train, val and test there is the same again.
        kind = (tuple(part for part in file.parent.parts if part not in ("val", "test")), file.suffix)
        image = decoder.reads(file)
        if kind[1] in {one[1] for one in seen} and (image or kind in seen):
            continue
        seen.add(kind)
        yield file, not image and file.name != "README.txt"


def _facts(catalogue: Catalogue) -> list[tuple[Any, ...]]:
    return [(sample.id, sample.split, sample.group, len(sample.frames)) for sample in catalogue.samples]


def _task(subject: Subject) -> TaskSpec | None:
    """Return a task that takes what the reader gives."""
    spec = subject.spec
    assert isinstance(spec, ReaderSpec)
    return next((one for one in subject.plugins.specs(TaskSpec).values() if one.takes == spec.gives), None)
