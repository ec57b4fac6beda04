from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from boxes import coco_document, write_coco
from graft.testing.commands import Graft


def test_convert__writes_and_says_what_is_lost(tmp_path: Path) -> None:
    graft = Graft(tmp_path)
    write_coco(tmp_path / "set")
    done = graft("data", "convert", "set", "out", "--to", "yolo")
    assert done.code == 0, done.err
    assert "1 boxes are crowds, and are left out" in done.err
    assert "1 boxes are no longer marked as difficult" in done.err
    assert (tmp_path / "out" / "labels" / "train" / "b.txt").is_file()
    back = graft("--json", "data", "convert", "out/data.yaml", "back", "--to", "coco")
    assert back.code == 0, back.err
    assert json.loads(back.out)["lost"] == []
    assert len(json.loads((tmp_path / "back" / "train.json").read_text())["annotations"]) == 3


def test_convert__mistakes_leave_nothing_behind(tmp_path: Path) -> None:
    graft = Graft(tmp_path)
    document = coco_document()
    document["annotations"][0]["bbox"] = None
    write_coco(tmp_path / "bad", document)
    write_coco(tmp_path / "set")
    wrong = graft("data", "convert", "bad", "out", "--to", "yolo")
    assert (wrong.code, "annotations[0].bbox" in wrong.err) == (2, True)
    unknown = graft("data", "convert", "set", "out", "--to", "yolov")
    assert (unknown.code, "there is no writer 'yolov': did you mean 'yolo'?" in unknown.err) == (2, True)
    other = graft("data", "convert", "set", "out", "--to", "yolo", "--reader", "folder")
    assert (other.code, "reader 'folder' gives labels, but writer 'yolo' takes boxes" in other.err) == (2, True)
    (tmp_path / "set" / "images" / "c.png").unlink()
    gone = graft("data", "convert", "set", "out", "--to", "csv")
    assert (gone.code, "c.png" in gone.err) == (2, True)
    full = graft("data", "convert", "set", "set", "--to", "csv")
    assert (full.code, "set is not empty" in full.err) == (2, True)
    assert not (tmp_path / "out").exists()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["bad", "set"]


@pytest.mark.parametrize("to", ["coco", "yolo", "csv"])
def test_convert__bccd(tmp_path: Path, to: str) -> None:
    root = Path(os.environ.get("GRAFT_TEST_DATA", "")) / "data" / "medical" / "bccd"
    if not root.is_dir():
        pytest.skip("no real data")
    done = Graft(tmp_path)("data", "convert", root, "out", "--to", to, "--link")
    assert done.code == 0, done.err
    assert "364 images in out" in done.err
