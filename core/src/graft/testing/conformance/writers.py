"""Writers: what they write is read again, and what is lost is said."""

from __future__ import annotations

from collections import Counter
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from graft.data import Catalogue, Writer
from graft.data.prepare import read
from graft.errors import GraftError
from graft.plugins import ReaderSpec, TaskSpec, WriterSpec
from graft.recipe.schema import Data
from graft.tasks import Task
from graft.testing.conformance.base import Conformance, Subject, typed

if TYPE_CHECKING:
    from graft.testing.data import Lab


class WriterConformance(Conformance):
    """What is checked of a writer, on the sample data of a task that takes what it writes."""

    kind = WriterSpec

    reader: str | None = "auto"
    """The reader that reads what it writes: by default the one that knows it. None where no reader does."""
    file: str = ""
    """What `data.train` is in the folder that it writes, where that is not the folder itself."""

    @pytest.fixture
    def task(self, subject: Subject) -> TaskSpec:
        """A task that takes what it writes."""
        spec = subject.spec
        assert isinstance(spec, WriterSpec)
        offered = subject.plugins.specs(TaskSpec).values()
        found = next((one for one in offered if one.takes == spec.takes), None)
        if found is None:
            subject.fail(
                f"no task takes {spec.takes}, so there is nothing that it could write",
                expected="a task that is installed with the tests",
                at=subject.place,
            )
        return found

    @pytest.fixture
    def catalogue(self, subject: Subject, task: TaskSpec, graft_lab: Lab, tmp_path: Path) -> Catalogue:
        """What it is given: sample data, of which the test has a copy."""
        import shutil

        source = tmp_path / "source"
        shutil.copytree(graft_lab.folder(task.name) / "target", source)
        return read(Data(train=str(source)), takes=task.takes, reader=None, options=None, plugins=subject.plugins)

    def test_written__is_read_again(self, subject: Subject, task: TaskSpec, catalogue: Catalogue, out: Path) -> None:
        """A reader gives the same samples, in the same splits; whatever it does not, the writer has said."""
        lost = self._written(subject, catalogue, out)
        at = subject.method("write")
        subject.demand(
            isinstance(lost, list) and all(isinstance(one, str) and one.strip() for one in lost),
            f"write gave {lost!r}",
            expected="a list of sentences: what the format cannot hold",
            at=at,
        )
        subject.demand(_files(out), "write wrote nothing", expected="a data set in the folder that it is given", at=at)
        if self.reader is None:
            return
        known = None if self.reader == "auto" else subject.plugins.find(ReaderSpec, self.reader)
        with subject.doing("reading what it wrote", expected="data that a reader of its kind knows", at=at):
            again = read(
                Data(train=str(out / self.file)), takes=task.takes, reader=known, options=None, plugins=subject.plugins
            )
        one, other = self._shown(subject, task, catalogue), self._shown(subject, task, again)
        subject.demand(
            lost or one == other,
            f"what is read again differs: {_difference(one, other)}, and write said nothing of it",
            expected="the same samples in the same splits, or a sentence on each loss",
            at=at,
        )
        subject.demand(
            catalogue.classes == again.classes or lost,
            f"the classes are {catalogue.classes}, and what was written has {again.classes}",
            expected="the same classes in the same order, or a sentence on it",
            at=at,
        )

    def test_written__twice_is_the_same(self, subject: Subject, catalogue: Catalogue, out: Path) -> None:
        """The same data give the same bytes, linked or copied, and the source stays as it is."""
        at, before = subject.method("write"), _files(catalogue.root)
        self._written(subject, catalogue, out)
        for name, link in (("again", False), ("linked", True)):
            self._written(subject, catalogue, other := _emptied(out.with_name(name)), link=link)
            subject.demand(
                _files(out) == _files(other),
                f"written {'with links' if link else 'once more'} it gives other files",
                expected="the same files with the same bytes: what depends on the data alone",
                at=at,
            )
        subject.demand(before == _files(catalogue.root), "write changed its source", expected="it as it was", at=at)

    def test_missing__image_is_a_typed_error(self, subject: Subject, catalogue: Catalogue, out: Path) -> None:
        """An image that is gone is an error that names it."""
        at, gone = subject.method("write"), catalogue.samples[0].path
        gone.unlink()
        expected = "a graft.errors.DataError that names the image"
        try:
            with subject.doing(f"write, without {gone.name},", expected=expected, at=at, allowed=GraftError):
                self._writer(subject).write(catalogue, out, link=False)
        except GraftError as error:
            subject.demand(
                typed(error) and gone.name in str(error),
                f"without {gone.name} it says: {error}",
                expected=expected,
                at=at,
            )
        else:
            subject.fail(f"without {gone.name}, write said nothing", expected=expected, at=at)

    @pytest.fixture
    def out(self, tmp_path: Path) -> Path:
        """An empty folder."""
        return _emptied(tmp_path / "out")

    def _writer(self, subject: Subject) -> Writer:
        with subject.doing("building it", expected="a class that takes no arguments", at=subject.method("__init__")):
            writer: Writer = subject.target()
            return writer

    def _written(self, subject: Subject, catalogue: Catalogue, out: Path, *, link: bool = False) -> list[str]:
        with subject.doing("write", expected="write(catalogue, out, link=)", at=subject.method("write")):
            return self._writer(subject).write(catalogue, out, link=link)

    def _shown(self, subject: Subject, task: TaskSpec, catalogue: Catalogue) -> Counter[tuple[str | None, str]]:
        """Return how many samples of each split show what, as the task says."""
        made: Task = subject.plugins.target(task)(classes=catalogue.classes, options=subject.plugins.options(task)())
        words = [", ".join(sorted(shown)) for shown in made.shows(catalogue)]
        return Counter(zip((sample.split for sample in catalogue.samples), words, strict=True))


def _difference(one: Counter[tuple[str | None, str]], other: Counter[tuple[str | None, str]]) -> str:
    for split, words in sorted((one - other) | (other - one), key=str):
        there = f"{one[split, words]} samples, and are {other[split, words]}"
        return f"in {split or 'no split'} there were of '{words}' {there}"
    return "nothing"


def _files(folder: Path) -> dict[str, str]:
    return {
        file.relative_to(folder).as_posix(): sha256(file.read_bytes()).hexdigest()
        for file in folder.rglob("*")
        if file.is_file()
    }


def _emptied(folder: Path) -> Path:
    folder.mkdir()
    return folder
