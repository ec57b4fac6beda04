"""Outputs: predictions in a form of their own, for a model that was trained in a moment."""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from graft.outputs import Output
from graft.plugins import DomainSpec, OutputSpec, Plugins, TaskSpec
from graft.runs.bundle import load_bundle
from graft.testing.conformance.base import Conformance, Subject

if TYPE_CHECKING:
    from graft.testing.commands import Graft, Result
    from graft.testing.data import Lab

_QUICK = ("train.epochs=1", "train.batch=4", "evaluation.bootstrap=0", "train.device=cpu", "backbone.size=64")


class OutputConformance(Conformance):
    """What is checked of a form of predictions, with the first of its tasks that is installed, on its sample data."""

    kind = OutputSpec
    base = Output

    domain: str | None = None
    """The domain whose sample data and decoder it is for; None for those of the task."""
    words: Sequence[str] = ()
    """Further words of the training, such as `head.width=64`."""

    @pytest.fixture
    def task(self, subject: Subject) -> TaskSpec:
        """A task that it serves."""
        spec = subject.spec
        assert isinstance(spec, OutputSpec)
        offered = subject.plugins.specs(TaskSpec)
        served = [name for name in spec.tasks if name in offered]
        if not served:
            subject.fail(
                f"none of its tasks is offered: {', '.join(spec.tasks) or 'it names none'}",
                expected="at least one that is installed",
                at=subject.place,
            )
        return offered[served[0]]

    def test_predictions__are_written(
        self, subject: Subject, task: TaskSpec, graft: Graft, graft_lab: Lab, graft_plugins: Plugins
    ) -> None:
        """Each image becomes a file, or a line on why it cannot; what is damaged costs itself alone."""
        at = subject.method("write")
        data = graft.folder / "data"
        shutil.copytree(graft_lab.folder(task.name, size=64, per_class=1, domain=self.domain) / "target", data)
        trained = self._typed(
            subject, graft, task.verb, "train", data, *self._how(graft_plugins, task), "--name", "run"
        )
        if trained.code:
            subject.fail(
                f"training ended with {trained.code}: {trained.err[-600:]}", expected="a model", at=subject.place
            )
        decoder = load_bundle(graft.folder / "runs" / "run", plugins=graft_plugins).decoder
        images = sorted(file for file in data.rglob("*") if file.is_file() and decoder.reads(file))[:3]
        before = [image.read_bytes() for image in images]

        written = self._predicted(subject, graft, task, images, "good")
        files = [graft.folder / name for name in written["files"]]
        subject.demand(
            len(files) >= len(images) and not written["errors"] and all(file.is_file() for file in files),
            f"of {len(images)} good images it wrote {len(files)} files, and said {written['errors']}",
            expected="a file for each, and no error",
            at=at,
        )
        astray = [file.name for file in files if not file.is_relative_to(graft.folder / "good")]
        subject.demand(not astray, f"it wrote {astray[:2]} elsewhere", expected="files in the folder `out`", at=at)
        kept = [image.read_bytes() for image in images] == before
        subject.demand(kept, "it changed the images", expected="them as they were", at=at)

        twins = [graft.folder / "twins" / below / images[0].name for below in "ab"]
        for twin in twins:
            twin.parent.mkdir(parents=True)
            shutil.copy2(images[0], twin)
        apart = set(self._predicted(subject, graft, task, twins, "apart")["files"])
        subject.demand(
            len(apart) == 2 * (len(files) // len(images)),
            f"two images are called '{images[0].name}', and it wrote {len(apart)} files",
            expected="as many for each as for one alone; graft.outputs.Places names them",
            at=at,
        )

        images[0].write_bytes(b"")
        damaged = self._predicted(subject, graft, task, images, "damaged")
        subject.demand(
            any(images[0].name in str(one["path"]) and one["error"].strip() for one in damaged["errors"]),
            f"'{images[0].name}' is empty, and it said {damaged['errors']}",
            expected="the image's own path, and why it cannot be written",
            at=at,
        )
        subject.demand(
            len(damaged["files"]) == len(written["files"]) - len(written["files"]) // len(images),
            f"with one of {len(images)} images empty it wrote {len(damaged['files'])} files",
            expected="those of all others",
            at=at,
        )

    def _how(self, plugins: Plugins, task: TaskSpec) -> tuple[str, ...]:
        """Return the words of a training that takes a moment; what a demo tells of the images is among them."""
        if self.domain is None:
            return (*_QUICK, *self.words)
        demo = plugins.find(DomainSpec, self.domain).demos.get(task.name, {})
        told = (f"{key}={json.dumps(value)}" for key, value in demo.items())
        return ("--domain", self.domain, *told, *_QUICK, *self.words)

    def _predicted(
        self, subject: Subject, graft: Graft, task: TaskSpec, images: Sequence[Path], out: str
    ) -> dict[str, Any]:
        words = ("--format", subject.spec.name, "--out", out, "--json")
        done = self._typed(subject, graft, task.verb, "predict", "runs/run", *images, *words)
        if done.code:
            said = f"predict --format {subject.spec.name} ended with {done.code}: {done.err[-600:]}"
            subject.fail(said, expected="exit code 0", at=subject.method("write"))
        found: dict[str, Any] = json.loads(done.out)
        return found

    def _typed(self, subject: Subject, graft: Graft, *words: object) -> Result:
        with subject.doing(
            f"graft {words[0]} {words[1]}", expected="exit code 0, and no traceback", at=subject.method("write")
        ):
            return graft(*words)
