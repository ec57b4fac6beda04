from __future__ import annotations

import csv
import json
import shlex
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from graft.testing.commands import Graft
from photos import COLOURS, picture, write_photos

QUICK = ("backbone.size=32", "--out", "looks", "--name", "look")


def given_splits(root: Path) -> Path:
    for split, seed in (("train", 1), ("test", 2)):
        write_photos(root / split, per_class=12, seed=seed)
    return root


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


@pytest.fixture
def planted(graft: Graft) -> Path:
    """Photos with a leak, a copy of the same split with another label, a wrong label, and a file that is none."""
    root = given_splits(graft.folder / "photos")
    Image.open(root / "train/apple/apple-03.png").save(root / "test/apple/again.png", compress_level=1)
    (root / "train/leaf/copy.png").write_bytes((root / "train/sky/sky-05.png").read_bytes())
    picture(COLOURS["sky"], 77).save(root / "train/apple/wrong.png")
    (root / "train/leaf/broken.png").write_bytes(b"\x89PNG\r\n\x1a\n nothing")
    return root


def test_try__finds_what_is_wrong(graft: Graft, planted: Path) -> None:
    result = graft("try", planted, *QUICK)
    assert result.code == 0, result.err
    folder = graft.folder / "looks" / "look"
    assert {path.name for path in folder.iterdir()} == {"report.html", "doubts.csv", "copies.csv"}

    copies = rows(folder / "copies.csv")
    assert {(row["set"], row["id"], row["equal"], row["across splits"]) for row in copies} == {
        ("1", "test/apple/again.png", "nearly", "yes"),
        ("1", "train/apple/apple-03.png", "nearly", "yes"),
        ("2", "train/leaf/copy.png", "byte for byte", "no"),
        ("2", "train/sky/sky-05.png", "byte for byte", "no"),
    }
    doubted = [(row["id"], row["label"], row["looks like"]) for row in rows(folder / "doubts.csv")[:2]]
    assert sorted(doubted) == [("train/apple/wrong.png", "apple", "sky"), ("train/leaf/copy.png", "leaf", "sky")]
    page = (folder / "report.html").read_text()
    for name in ("again.png", "copy.png", "wrong.png", "broken.png"):
        assert name in page
        assert name in result.err
    assert "linear probe accuracy" in result.err
    assert "graft classify train" in result.err


def test_try__json_is_what_the_page_says(graft: Graft, planted: Path) -> None:
    result = graft("try", planted, *QUICK, "--json", "--quiet")
    assert result.code == 0, result.err
    document: dict[str, Any] = json.loads(result.out)
    assert document["classes"] == ["apple", "leaf", "sky"]
    assert document["images"] == 3 * 24 + 3
    accuracy = document["probes"]["linear"]["accuracy"]
    assert document["probes"]["majority"]["accuracy"]["value"] < accuracy["low"] < accuracy["value"] <= 1
    assert [row["id"] for row in document["bad_files"]] == ["train/leaf/broken.png"]
    assert document["advice"]["command"].startswith("graft classify train")
    assert "data.on_bad=skip" in document["advice"]["command"]
    assert len(document["warnings"]) == 4, "bad files, leaks, conflicts, doubts"
    page = Path(graft.folder, document["report"]).read_text()
    assert f"{accuracy['value']:.3f}" in page


def test_try__says_so_when_nothing_is_wrong(graft: Graft) -> None:
    write_photos(graft.folder / "photos", per_class=12)
    result = graft("try", "photos", *QUICK, "--json")
    assert result.code == 0, result.err
    document = json.loads(result.out)
    assert document["warnings"] == document["doubts"] == document["copies"] == []
    assert "Nothing stands out" in (graft.folder / "looks/look/report.html").read_text()


def test_try__the_command_it_gives_works(graft: Graft) -> None:
    write_photos(graft.folder / "my photos", per_class=12)
    said = ("data.reader.kind=folder", 'data.group="[a-z]+-[0-9]"', "data.split.test=0.2", "data.split.by=group")
    result = graft("try", "my photos", *said, *QUICK, "--json")
    assert result.code == 0, result.err
    words = shlex.split(json.loads(result.out)["advice"]["command"])[1:]
    assert set(said) <= set(words)
    assert "backbone.size=32" in words
    rehearsed = graft(*words, "--dry-run")
    assert rehearsed.code == 0, rehearsed.err


def test_try__features_are_extracted_once(graft: Graft, monkeypatch: pytest.MonkeyPatch) -> None:
    from graft.features.extract import Extractor

    calls: list[int] = []
    real = Extractor._calculate
    monkeypatch.setattr(Extractor, "_calculate", lambda self, *arguments: (calls.append(1), real(self, *arguments))[1])
    write_photos(graft.folder / "photos", per_class=12)
    first = json.loads(graft("try", "photos", *QUICK, "--json").out)
    assert calls
    calls.clear()
    second = json.loads(graft("try", "photos", *QUICK[:-1], "again", "--json").out)
    assert not calls
    assert first["probes"] == second["probes"]


def test_try__groups_that_cross_the_splits_are_named(graft: Graft) -> None:
    write_photos(graft.folder / "photos", per_class=12)
    lines = ["path,label,split,group"]
    for path in sorted((graft.folder / "photos").rglob("*.png")):
        number = int(path.stem.rpartition("-")[2])
        split = "test" if number >= 9 else "train"
        # Patient 3 of each class is in both splits.
        lines.append(
            f"{path},{path.parent.name},{split},{path.parent.name}{number % 6 if number in (3, 9) else number}"
        )
    (graft.folder / "labels.csv").write_text("\n".join(lines))
    result = graft("try", "labels.csv", *QUICK)
    assert result.code == 0, result.err
    assert "3 groups are in more than one split, such as apple3" in result.err


def test_try__files_that_betray_their_class(graft: Graft) -> None:
    for label, name in enumerate(COLOURS):
        folder = graft.folder / "photos" / name
        folder.mkdir(parents=True)
        for index in range(12):
            picture((120, 120, 120), 100 * label + index, size=40 + 8 * label).save(folder / f"{index}.png")
    result = graft("try", "photos", *QUICK)
    assert result.code == 0, result.err
    assert "size and format of the files alone tell the class in 100% of the cases" in result.err


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ((), "graft try photos/"),
        (("nowhere",), "nowhere"),
        (("photos", "backbone.kindd=a"), "backbone.kind"),
        (("photos", "--name", "taken", "--out", "looks"), "taken"),
        (("labels.csv",), "has 2 labels"),
    ],
)
def test_try__mistakes(graft: Graft, words: tuple[str, ...], expected: str) -> None:
    write_photos(graft.folder / "photos", per_class=4)
    (graft.folder / "looks" / "taken").mkdir(parents=True)
    listed = [f"{path},{path.parent.name}" for path in sorted((graft.folder / "photos").rglob("*.png"))]
    listed[0] += ";sky"
    (graft.folder / "labels.csv").write_text("\n".join(["path,label", *listed]))
    result = graft("try", *words)
    assert result.code == 2, result.err
    assert expected in result.err
    assert "Traceback" not in result.err
    assert not (graft.folder / "runs").exists()
