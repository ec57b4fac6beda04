"""From drives that are drawn to a report, a measure of robustness, and a drive that is found in two splits."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from graft.testing.commands import Graft

QUICK = ("backbone.size=32", "train.epochs=1", "train.batch=8", "evaluation.bootstrap=20", "--domain", "driving")


@pytest.fixture(scope="module")
def cli(tmp_path_factory: pytest.TempPathFactory) -> Graft:
    graft = Graft(tmp_path_factory.mktemp("driving"))
    for kind in ("labels", "masks", "boxes"):
        made = graft("data", "sample", kind, kind, "--domain", "driving", "--size", "40", "--per-class", "5")
        assert made.code == 0, made.err
    return graft


def trained(cli: Graft, verb: str, data: str, name: str, *more: str) -> Path:
    done = cli(verb, "train", data, "--name", name, *QUICK, *more)
    assert done.code == 0, done.err
    return cli.folder / "runs" / name


def test_street_scenes_are_read_reported_and_measured_in_fog(cli: Graft) -> None:
    run = trained(cli, "segment", "masks/target", "scenes", "head.width=4")
    log = (run / "log.txt").read_text()
    assert "read as 'camvid'" in log
    assert "within 2 s of the one before in their drive" in log
    assert "Classes that safety hangs on" in (run / "report.html").read_text()
    asked = cli(
        "driving", "robustness", "runs/scenes", "--effects", "fog,night", "--levels", "1,5", "--repeats", "2", "--json"
    )
    assert asked.code == 0, asked.err
    found = json.loads(asked.out)
    clean = json.loads((run / "results.json").read_text())["metrics"]["test"]["iou"]["value"]
    assert found["metric"] == "iou"
    assert found["clean"] == pytest.approx(clean)
    assert list(found["corruptions"]) == ["fog", "night"]
    assert list(found["corruptions"]["fog"]["levels"]) == ["1", "5"]
    assert found["latency_ms"]["median"] > 0


def test_boxes_are_read_and_measured_by_distance(cli: Graft) -> None:
    metrics = "evaluation.metrics=['map','map_near']"
    run = trained(cli, "detect", "boxes/target", "boxes", "head.kind=ssd", "head.width=16", metrics)
    values = json.loads((run / "results.json").read_text())["metrics"]["test"]
    assert {"map", "map_near", "map_middle", "map_far", "map50_far"} <= values.keys()
    assert "How far away objects are found" in (run / "report.html").read_text()


def test_signs_are_not_mirrored_by_default_and_a_level_is_printed(cli: Graft) -> None:
    group = "data.group=([^/]+/[0-9]+)_"
    trained(cli, "classify", "labels/target", "signs", group)
    assert 'augment = "signs"' in (cli.folder / "runs/signs/recipe.toml").read_text()
    asked = cli("driving", "robustness", "runs/signs", "--effects", "noise", "--levels", "5", "--repeats", "2")
    assert asked.code == 0, asked.err
    assert "level 5" in asked.out
    assert "ms for one image of 32 × 32 pixels" in asked.out


def test_a_planted_drive_on_both_sides_is_found_and_named(cli: Graft) -> None:
    shutil.copytree(cli.folder / "masks/target", cli.folder / "leaky")
    # One frame of the first training drive among the test images.
    frame = sorted((cli.folder / "leaky/train").iterdir())[0]
    drive = frame.stem.split("_")[0]
    for folder in ("", "annot"):
        source = cli.folder / f"leaky/train{folder}" / frame.name
        shutil.move(source, cli.folder / f"leaky/test{folder}" / frame.name)
    stopped = cli("segment", "train", "leaky", *QUICK, "data.leaks=stop")
    assert stopped.code != 0
    assert f"group {drive}" in stopped.err
    assert "train (4) and test (1)" in stopped.err
    assert f"drive {drive}: 1 pairs of neighbours are in different splits: test/{frame.name} in test" in stopped.err
    whole = cli("segment", "train", "leaky", *QUICK, "data.leaks=stop", "data.split=group", "head.width=4")
    assert whole.code == 0, whole.err


def test_a_wrong_corruption_or_level_says_what_there_is(cli: Graft) -> None:
    wrong = cli("driving", "robustness", "runs/signs", "--effects", "fgo,snow")
    assert wrong.code == 2
    assert "'fog'" in wrong.err
    assert "'snow' is not known" in wrong.err
    assert cli("driving", "robustness", "nowhere").code != 0
