"""A detector and a segmenter are killed and resumed, and train in two processes, as a classifier is and does."""

from __future__ import annotations

import json
import random
import time
from dataclasses import dataclass
from pathlib import Path

import pytest

from crews import Typed, fork_followers, until
from graft.runs.folder import Run
from graft.testing.commands import Graft

EPOCHS = 4


@dataclass(frozen=True)
class Kind:
    """What is trained.

    Args:
        verb: Of its task.
        words: That make it small.
        metric: What must be the same.
    """

    verb: str
    words: tuple[str, ...]
    metric: str

    def __str__(self) -> str:
        return self.verb


KINDS = (
    Kind("detect", ("head.kind=faster-rcnn", "head.width=16", "head.hidden=32", "train.batch=4"), "map"),
    Kind("segment", ("head.kind=unet", "train.batch=4"), "iou"),
)
SMALL = ("backbone.size=48", f"train.epochs={EPOCHS}", "evaluation.bootstrap=0", "--device", "cpu", "--quiet")


@pytest.fixture(scope="module", params=KINDS, ids=str)
def kind(request: pytest.FixtureRequest) -> Kind:
    return request.param


@pytest.fixture(scope="module")
def graft(kind: Kind, tmp_path_factory: pytest.TempPathFactory) -> Graft:
    graft = Graft(tmp_path_factory.mktemp(kind.verb))
    assert graft("data", "sample", kind.verb, "sample", "--size", 48, "--per-class", 4).code == 0
    return graft


@pytest.fixture(scope="module", autouse=True)
def _quick_report():
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr("graft.engine._finish.write_report", lambda run, material: run.path / "report.html")
        yield


def words(kind: Kind, name: str) -> tuple[object, ...]:
    return (kind.verb, "train", "sample/target", *kind.words, *SMALL, "--name", name)


@pytest.fixture(scope="module")
def whole(graft: Graft, kind: Kind) -> Run:
    result = graft(*words(kind, "whole"))
    assert result.code == 0, result.err
    return Run.open(graft.folder / "runs" / "whole")


def test_kill__resumed_to_the_same_weights(graft: Graft, kind: Kind, whole: Run) -> None:
    path = Path(graft.folder / "runs" / "killed")
    seconds = sum(row["seconds"] for row in whole.history) / EPOCHS
    typed = Typed(graft, *words(kind, "killed"))
    until(lambda: len(Run(path).history) > 0)
    time.sleep(random.Random(1).uniform(0, seconds))
    typed.kill()
    typed.wait()
    assert Run.open(path).status == "interrupted"
    assert 0 < len(Run.open(path).history) < EPOCHS
    again = graft("resume", "runs/killed", "--quiet")
    assert again.code == 0, again.err
    run = Run.open(path)
    assert run.status == "finished"
    assert run.results["weights_sha256"] == whole.results["weights_sha256"]
    assert run.results["metrics"] == whole.results["metrics"]


def test_two_processes__measure_what_one_does(graft: Graft, kind: Kind, monkeypatch: pytest.MonkeyPatch) -> None:
    fork_followers(monkeypatch)
    result = Typed(graft, *words(kind, "two"), "--devices", "2").wait(120)
    assert result.code == 0, result.err
    run = Run.open(graft.folder / "runs" / "two")
    again = graft(kind.verb, "evaluate", "runs/two", "--device", "cpu", "--json")
    assert again.code == 0, again.err
    alone = json.loads(again.out)["metrics"]["test"]
    together = run.results["metrics"]["test"]
    assert kind.metric in together
    assert {name: value["value"] for name, value in together.items()} == pytest.approx(
        {name: value["value"] for name, value in alone.items()}, abs=1e-6, nan_ok=True
    )
