"""Tasks: targets, rows and drawings, and all verbs end to end on the task's own sample data."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from graft.data import STANDARD
from graft.data.spatial import Places, Spatial
from graft.errors import Problem
from graft.plugins import TaskSpec
from graft.report.sections import Section
from graft.tasks import Task
from graft.testing.conformance.base import Conformance, Subject

if TYPE_CHECKING:
    from graft.engine._setup import Experiment
    from graft.testing.commands import Graft, Result
    from graft.testing.data import Lab


class TaskConformance(Conformance):
    """What is checked of a task: on its sample data, with its own head, on the embedded backbone."""

    kind = TaskSpec
    base = Task

    words: Sequence[str] = ()
    """Further `key=value` of the training, such as make the head small."""
    exports: bool = True
    """Whether `export` is tried: it takes by far the longest. Say False where other tests do it."""

    @pytest.fixture
    def experiment(self, subject: Subject, graft_lab: Lab) -> Experiment:
        """What a training of it begins with."""
        spec = subject.spec
        assert isinstance(spec, TaskSpec)
        with subject.doing(
            "setting a training on its sample data up",
            expected="sample data (`sample`) that a reader reads and the task takes",
            at=subject.place,
        ):
            return graft_lab.experiment(spec.name)

    def test_targets__are_numbers(self, subject: Subject, experiment: Experiment) -> None:
        """Targets are encoded and collated; there is a word for each sample; its own data have no problem."""
        task, catalogue = experiment.task, experiment.prepared.catalogue
        subject.demand(
            task.classes == tuple(catalogue.classes),
            f"its classes are {task.classes}, and it was built with {catalogue.classes}",
            expected="the names that it is built with: super().__init__(classes=classes, options=options)",
            at=subject.method("__init__"),
        )
        with subject.doing("strata", expected="a word for each sample", at=subject.method("strata")):
            strata = task.strata(catalogue)
        subject.demand(
            len(strata) == len(catalogue.samples) and all(isinstance(one, str) for one in strata),
            f"strata gave {len(strata)} for {len(catalogue.samples)} samples",
            expected="one word for each sample",
            at=subject.method("strata"),
        )
        with subject.doing("shows", expected="words for each sample", at=subject.method("shows")):
            shown = [tuple(words) for words in task.shows(catalogue)]
        subject.demand(
            len(shown) == len(catalogue.samples) and all(len(words) == len(set(words)) for words in shown),
            f"shows gave {shown[:3]} … for {len(catalogue.samples)} samples",
            expected="for each sample the words for what it shows, each once",
            at=subject.method("shows"),
        )
        at = subject.method("check")
        with subject.doing("check", expected="a list of graft.errors.Problem", at=at):
            problems = task.check(catalogue, experiment.prepared.split)
        good = isinstance(problems, list) and all(isinstance(one, Problem) for one in problems)
        subject.demand(good, f"check gave {problems!r}", expected="a list of graft.errors.Problem", at=at)
        subject.demand(not problems, f"of its own sample data: {problems[:1]}", expected="no problems", at=at)
        with subject.doing("collate", expected="tensors, or lists and dicts of them", at=subject.method("collate")):
            for count in (1, 3):
                task.collate(experiment.targets_of("train")[:count])

    def test_places__go_where_they_are_moved(self, subject: Subject, experiment: Experiment) -> None:
        """A target that says places says the new ones when its image was changed: here, mirrored."""
        targets = [target for target in experiment.targets_of("train")[:8] if isinstance(target, Spatial)]
        if not targets:
            pytest.skip("its targets say no places")
        for target in targets:
            at = type(target).moved
            with subject.doing("moved", expected="the target with the places that it is given", at=at):
                wanted = _mirrored(target.places())
                found = target.moved(wanted).places()
            subject.demand(
                _alike(wanted, found),
                f"{type(target).__name__}.moved was given mirrored places, and says others",
                expected="a target whose `places()` are those that `moved` was given",
                at=at,
            )

    def test_predictions__can_be_said_and_drawn(self, subject: Subject, experiment: Experiment) -> None:
        """Rows, errors, captions, pictures and sections, of predictions that look at no image."""
        task, targets = experiment.task, experiment.targets_of("test")
        at = subject.method("baseline")
        with subject.doing("baseline", expected="a prediction for each target", at=at):
            predictions = task.baseline(targets, experiment.targets_of("train"))
        number = len(predictions)
        subject.demand(
            number == len(targets), f"baseline gave {number} for {len(targets)} targets", expected="as many", at=at
        )
        self._rows(subject, task, predictions)
        at = subject.method("errors")
        with subject.doing("errors", expected="(N,) numbers", at=at):
            errors = np.asarray(task.errors(predictions, targets))
        subject.demand(
            errors.shape == (number,) and np.isfinite(errors).all(),
            f"errors gave {errors.shape}, {errors.ravel()[:3]} …",
            expected=f"({number},) finite numbers",
            at=at,
        )
        samples = experiment.samples("test")
        for sample, prediction, target in list(zip(samples, predictions, targets, strict=True))[:4]:
            at = subject.method("caption")
            with subject.doing("caption", expected="one line", at=at):
                line = task.caption(prediction, target)
            good = isinstance(line, str) and line.strip() and "\n" not in line
            subject.demand(good, f"caption gave {line!r}", expected="one line", at=at)
            self._draw(subject, task, STANDARD.picture(sample.path), prediction, target)
        at = subject.method("sections")
        with subject.doing("sections", expected="graft.report.sections.Section", at=at):
            sections = task.sections(predictions, targets)
        good = all(isinstance(one, Section) for one in sections)
        subject.demand(good, f"sections gave {sections!r}", expected="a list of Section", at=at)

    def _rows(self, subject: Subject, task: Task, predictions: Sequence[Any]) -> None:
        at = subject.method("as_row")
        for prediction in predictions[:4]:
            with subject.doing("as_row", expected="plain values", at=at):
                row = task.as_row(prediction)
                json.dumps(row)
            missing = [name for name in task.prediction_columns if name not in row]
            subject.demand(
                isinstance(row, Mapping) and not missing,
                f"a row has no {', '.join(missing)}: it has {', '.join(row)}",
                expected="`prediction_columns` among its keys",
                at=at,
            )
            subject.demand(task.prediction_columns, "it has no prediction_columns", expected="what csv has", at=at)

    def _draw(self, subject: Subject, task: Task, picture: Any, prediction: Any, target: Any) -> None:
        at = subject.method("draw")
        for said in (prediction, None):
            kept = picture.copy()
            with subject.doing("draw", expected="a new picture, or None", at=at):
                drawn = task.draw(picture, said, target)
            subject.demand(np.array_equal(kept, picture), "draw writes into the picture", expected="a new one", at=at)
            if isinstance(target, Spatial):
                subject.demand(drawn is not None, "draw gives None", expected="a picture: targets say places", at=at)
            if drawn is not None:
                good = drawn.dtype == np.uint8 and drawn.ndim == 3 and drawn.shape[2] == 3
                subject.demand(good, f"draw gave {drawn.shape} {drawn.dtype}", expected="(h, w, 3) uint8", at=at)

    def test_verbs__end_to_end(self, subject: Subject, graft: Graft, graft_lab: Lab) -> None:
        """It trains, evaluates, predicts in every form, exports or says why not, and has a report."""
        spec = subject.spec
        assert isinstance(spec, TaskSpec)
        data = graft_lab.folder(spec.name, size=64) / "target"
        quick = ("backbone.size=64", "train.epochs=1", "train.batch=4", "evaluation.bootstrap=10", "train.device=cpu")
        trained = self._typed(subject, graft, spec.verb, "train", data, *quick, *self.words, "--name", "run", "--json")
        self._done(subject, trained, "train")
        measured = json.loads((graft.folder / "runs/run/results.json").read_text(encoding="utf-8"))["metrics"]["test"]
        subject.demand(
            spec.monitor in measured,
            f"no '{spec.monitor}' among {', '.join(measured)}",
            expected="the value of `monitor` among those of its metrics",
            at=subject.place,
        )
        evaluated = self._typed(subject, graft, spec.verb, "evaluate", "runs/run", "--json")
        self._done(subject, evaluated, "evaluate")
        again = json.loads(evaluated.out)["metrics"]["test"]
        for name, value in measured.items():
            one, other = value["value"], again[name]["value"]
            subject.demand(
                one == other or abs(one - other) < 1e-6,
                f"'{name}' was {one} in training, and is {other} in evaluation",
                expected="the same: predictions that depend on weights, image and options alone",
                at=subject.target,
            )
        images = sorted(file for file in data.rglob("*") if STANDARD.reads(file))[:3]
        rows = self._typed(subject, graft, spec.verb, "predict", "runs/run", *images, "--format", "csv")
        self._done(subject, rows, "predict")
        table = list(csv.DictReader(io.StringIO(rows.out)))
        subject.demand(
            len(table) == len(images) and all(not row["error"] for row in table),
            f"predict gave {len(table)} rows for {len(images)} images: {rows.out[:200]}",
            expected="a row for each image",
            at=subject.method("as_row"),
        )
        self._done(
            subject,
            self._typed(subject, graft, spec.verb, "predict", "runs/run", *images, "--format", "json"),
            "predict --format json",
        )
        for kind in spec.files:
            out = Path(f"out-{kind}")
            written = self._typed(
                subject, graft, spec.verb, "predict", "runs/run", *images, "--format", kind, "--out", out
            )
            self._done(subject, written, f"predict --format {kind}")
            files = [file for file in (graft.folder / out).rglob("*") if file.is_file()]
            subject.demand(
                len(files) >= len(images),
                f"predict --format {kind} wrote {len(files)} files for {len(images)} images",
                expected="a file for each",
                at=subject.method("write"),
            )
        if self.exports:
            exported = self._typed(subject, graft, spec.verb, "export", "runs/run")
            subject.demand(
                exported.code in (0, 2),
                f"export ended with {exported.code}: {exported.err}",
                expected="a file, or a refusal in words",
                at=subject.target,
            )
        report = graft.folder / "runs/run/report.html"
        report.unlink()
        self._done(subject, self._typed(subject, graft, "report", "runs/run"), "report")
        subject.demand(report.is_file(), "there is no report", expected="report.html", at=subject.method("sections"))

    def _typed(self, subject: Subject, graft: Graft, *words: object) -> Result:
        with subject.doing(f"graft {words[0]} {words[1]}", expected="exit code 0, and no traceback", at=subject.target):
            return graft(*words)

    def _done(self, subject: Subject, result: Result, what: str) -> None:
        if result.code:
            subject.fail(
                f"{what} ended with {result.code}: {' '.join(result.err.split())[-600:]}",
                expected="exit code 0",
                at=subject.target,
            )


def _mirrored(places: Places) -> Places:
    """Return places as in a mirror image, left and right exchanged."""
    boxes, mask = places.boxes, places.mask
    if boxes is not None:
        width = places.size[1]
        boxes = np.stack([width - boxes[:, 2], boxes[:, 1], width - boxes[:, 0], boxes[:, 3]], axis=1)
    return replace(places, boxes=boxes, mask=None if mask is None else mask[:, ::-1].copy())


def _alike(one: Places, other: Places) -> bool:
    pairs = ((one.boxes, other.boxes), (one.mask, other.mask))
    return one.size == other.size and all(
        (a is None and b is None)
        or (a is not None and b is not None and a.shape == b.shape and np.allclose(a, b, atol=1e-2))
        for a, b in pairs
    )
