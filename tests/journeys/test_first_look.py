"""A first look at real images with planted mistakes: the page alone must lead to each of them."""

from __future__ import annotations

import csv
import json
import os
import shutil
from pathlib import Path

import pytest
from PIL import Image

from graft.testing.commands import Graft

DATA = os.environ.get("GRAFT_TEST_DATA")
pytestmark = pytest.mark.skipif(not DATA, reason="needs GRAFT_TEST_DATA: real scenes and weights")

PER_CLASS = 24


@pytest.fixture(scope="module")
def graft(tmp_path_factory: pytest.TempPathFactory) -> Graft:
    graft = Graft(tmp_path_factory.mktemp("look"))
    words = ("--name", "mnv2", "--arch", "torchvision:mobilenet_v2", "--mean", "0.5", "--std", "0.5")
    result = graft("backbones", "import", Path(DATA or "", "weights", "mobilenet_v2_tv_imagenet_fp16.pth"), *words)
    assert result.code == 0, result.err
    return graft


@pytest.fixture(scope="module")
def scenes(graft: Graft) -> Path:
    """Scenes of seven classes, every fourth one to test on, and three mistakes."""
    root = graft.folder / "scenes"
    by_class: dict[str, list[Path]] = {}
    for path in sorted(Path(DATA or "", "data", "satellite", "rsscn7").rglob("*.jpg")):
        by_class.setdefault(path.parent.name, []).append(path)
    for name, paths in by_class.items():
        for index, path in enumerate(paths[:PER_CLASS]):
            target = root / ("test" if index % 4 == 0 else "train") / name / f"{name}-{index:02}.jpg"
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(path, target)
    names = sorted(by_class)
    first, second, third = names[0], names[2], names[4]
    # A duplicate, byte for byte; a leak, smaller and compressed again; and an image of another class's folder.
    shutil.copy(root / "train" / first / f"{first}-01.jpg", root / "train" / first / "duplicate.jpg")
    with Image.open(root / "train" / second / f"{second}-02.jpg") as image:
        image.resize((200, 200)).save(root / "test" / second / "leak.jpg", quality=70)
    wrong = by_class[third][PER_CLASS]
    shutil.copy(wrong, root / "train" / first / "wrong.jpg")
    return root


def test_first_look__leads_to_each_planted_mistake(graft: Graft, scenes: Path) -> None:
    words = ("--backbone", "torchvision:mobilenet_v2", "--weights", "mnv2", "--name", "look", "--json")
    result = graft("try", scenes, *words)
    assert result.code == 0, result.err
    document = json.loads(result.out)
    folder = graft.folder / "runs" / "look"

    with (folder / "copies.csv").open(newline="") as file:
        copies = list(csv.DictReader(file))
    across = [row["id"].rpartition("/")[2] for row in copies if row["across splits"] == "yes"]
    assert across[0] == "leak.jpg"
    assert {row["set"] for row in copies if "duplicate" in row["id"]} == {"2"}, (
        "next to the leak, and nothing before it"
    )
    assert len({row["set"] for row in copies}) <= 4, "few that are none"
    doubted = [row["id"].rpartition("/")[2] for row in document["doubts"]]
    assert "wrong.jpg" in doubted[:5]
    page = (folder / "report.html").read_text()
    assert all(name in page for name in ("leak.jpg", "duplicate.jpg", "wrong.jpg"))
    accuracy = document["probes"]["linear"]["accuracy"]
    assert accuracy["low"] > 0.6
    assert accuracy["low"] > document["probes"]["majority"]["accuracy"]["value"]
