"""Sequences whose class only their order tells, from a folder or a table to predictions, as a user would."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path

import pytest

from graft.testing.commands import Graft
from moves import write_moves

QUICK = ("strategy=fixed", "backbone.size=32", "train.batch=8", "train.epochs=6", "augment=none")
FOLDERS = ("clips", "data.reader.kind=sequences")


@pytest.fixture(scope="module")
def cli(tmp_path_factory: pytest.TempPathFactory) -> Graft:
    folder = tmp_path_factory.mktemp("sequences")
    write_moves(folder / "clips", 30)
    write_moves(folder / "new", 10, seed=1)
    rows = [
        f"{clip.parent.name}-{clip.name},{number},{frame.relative_to(folder)},{clip.parent.name},2021-01-{day + 1:02}"
        for clip in sorted((folder / "clips").glob("*/*"))
        for day in [int(clip.name[-2:])]
        for number, frame in enumerate(sorted(clip.iterdir()))
    ]
    (folder / "clips.csv").write_text("\n".join(["sequence,frame,path,label,time", *reversed(rows)]) + "\n")
    return Graft(folder)


def accuracy(cli: Graft, run: str) -> float:
    results = json.loads((cli.folder / "runs" / run / "results.json").read_text())
    return results["metrics"]["test"]["accuracy"]["value"]


def right(out: str) -> float:
    rows = list(csv.DictReader(io.StringIO(out)))
    assert len(rows) == 20
    return sum(row["label"] == Path(row["path"]).parent.name for row in rows) / len(rows)


@pytest.mark.parametrize("head", ["lstm", "gru"])
def test_order_tells_the_class(cli: Graft, head: str) -> None:
    trained = cli("classify", "train", *FOLDERS, *QUICK, f"head={head}", "--name", head)
    assert trained.code == 0, trained.err
    assert "60 sequences in 2 classes" in trained.err
    assert accuracy(cli, head) == 1.0

    predicted = cli("classify", "predict", f"runs/{head}", "new")
    assert predicted.code == 0, predicted.err
    assert right(predicted.out) >= 0.95
    measured = cli("classify", "evaluate", f"runs/{head}", "--json")
    assert json.loads(measured.out)["metrics"]["test"]["accuracy"]["value"] == 1.0
    other = cli("classify", "evaluate", f"runs/{head}", "--data", "new", "--json")
    assert json.loads(other.out)["metrics"]["new"]["accuracy"]["value"] >= 0.95


def test_a_head_on_averaged_frames_cannot_know(cli: Graft) -> None:
    assert cli("classify", "train", *FOLDERS, *QUICK, "head=linear", "--name", "linear").code == 0
    assert right(cli("classify", "predict", "runs/linear", "new").out) <= 0.75


def test_a_table_divided_by_time(cli: Graft) -> None:
    words = ("clips.csv", *QUICK, "head=gru", "data.split=time", "--name", "table")
    trained = cli("classify", "train", *words)
    assert trained.code == 0, trained.err
    assert "read as 'sequences': a table with the columns sequence and frame" in trained.err
    assert "by time (dates), 15% val, 15% test, val from 2021-01-22, test from 2021-01-26" in " ".join(
        trained.err.split()
    )
    with (cli.folder / "runs" / "table" / "split.csv").open() as file:
        days = {row["id"]: (int(row["id"][-2:]), row["split"]) for row in csv.DictReader(file)}
    last = {split: max(day for day, where in days.values() if where == split) for split in ("train", "val")}
    first = {split: min(day for day, where in days.values() if where == split) for split in ("val", "test")}
    assert last["train"] < first["val"] <= last["val"] < first["test"]
    assert accuracy(cli, "table") == 1.0

    frames = cli.folder / "frames.csv"
    clip = cli.folder / "new" / "shrinks" / "clip03"
    frames.write_text("sequence,frame\n" + "".join(f"one,{path}\n" for path in sorted(clip.iterdir(), reverse=True)))
    predicted = cli("classify", "predict", "runs/table", "frames.csv")
    assert [row["path"] for row in csv.DictReader(io.StringIO(predicted.out))] == ["one"]
    assert predicted.out.splitlines()[1].startswith("one,shrinks,")


def test_an_interrupted_run_ends_with_the_same_weights(cli: Graft, monkeypatch: pytest.MonkeyPatch) -> None:
    from graft.engine import _record
    from graft.engine._signals import Stopped

    words = ("classify", "train", *FOLDERS, *QUICK, "head=lstm", "strategy.unfreeze={kind='gradual', every=2}")
    assert cli(*words, "--name", "whole").code == 0
    real = _record.Recorder.finish_epoch

    def stop_after_three(self: _record.Recorder, epoch: object, learner: object) -> bool:
        ends = real(self, epoch, learner)
        if epoch.number == 3:
            raise Stopped(terminated=True)
        return ends

    with monkeypatch.context() as patched:
        patched.setattr(_record.Recorder, "finish_epoch", stop_after_three)
        assert cli(*words, "--name", "cut").code == 143
    resumed = cli("resume", "runs/cut")
    assert resumed.code == 0, resumed.err
    files = [cli.folder / "runs" / name / "results.json" for name in ("whole", "cut")]
    whole, cut = (json.loads(file.read_text())["weights_sha256"] for file in files)
    assert whole == cut


def test_who_does_not_name_the_reader_is_told_of_it(cli: Graft) -> None:
    """Folders in class folders are not always sequences."""
    checked = cli("classify", "train", "clips", *QUICK, "--dry-run")
    assert checked.code == 2
    assert "where each inner folder is a sequence of images, data.reader.kind=sequences" in checked.err
