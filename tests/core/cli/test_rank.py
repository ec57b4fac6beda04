from __future__ import annotations

import json
import shlex
from pathlib import Path

import pytest
import torch

from graft.testing.commands import Graft
from photos import write_photos

SMALL = ("--size", "32", "--quiet")
BOTH = ("--candidates", "tiny,torchvision:shufflenet_v2_x0_5@none")


@pytest.fixture
def photos(work: Path) -> str:
    write_photos(work / "photos")
    return "photos"


def test_rank__table_verdict_and_the_command_to_type(graft: Graft, photos: str) -> None:
    result = graft("backbones", "rank", photos, *SMALL, *BOTH)
    assert result.code == 0, result.err
    lines = result.out.splitlines()
    head = lines[0].split()
    assert head[:3] == ["CANDIDATE", "PX", "PROBE"]
    rows = {line.split()[1]: line.split() for line in lines[1:3]}
    assert rows.keys() == {"graft:tiny", "torchvision:shufflenet_v2_x0_5@none"}
    assert [line.split()[0] for line in lines[1:3]] == ["1", "2"]
    assert all(row[2] == "32" for row in rows.values())
    assert rows["graft:tiny"][9] == "0.37M"
    assert "who names the largest class each time has 0.360" in result.out
    best = lines[1].split()[1]
    (verdict,) = [line for line in lines if " is best: " in line]
    assert verdict.startswith(f"{best} is best: its probe reaches ")
    assert "next is" in verdict
    assert lines[-1].startswith("  graft classify train photos backbone.kind=")


def test_rank__its_command_trains_what_was_ranked(graft: Graft, photos: str) -> None:
    result = graft("backbones", "rank", photos, *SMALL, "--candidates", "tiny", "--json")
    document = json.loads(result.out)
    assert document["command"] == "graft classify train photos backbone.kind=graft:tiny backbone.size=32"
    words = shlex.split(document["command"])[1:]
    trained = graft(*words, "train.epochs=1", "evaluation.bootstrap=0", "--name", "one")
    assert trained.code == 0, trained.err


def test_rank__json_has_everything(graft: Graft, photos: str) -> None:
    result = graft("backbones", "rank", photos, *SMALL, *BOTH, "--max-params", "350k", "--json")
    assert result.code == 0, result.err
    document = json.loads(result.out)
    assert document["images"] == {
        "used": 25,
        "held_out": 5,
        "classes": ["apple", "leaf", "sky"],
        "grouped": False,
        "bad": [],
    }
    by_name = {one["name"]: one for one in document["candidates"]}
    tiny, shuffle = by_name["graft:tiny"], by_name["torchvision:shufflenet_v2_x0_5@none"]
    assert tiny["breaks"] == "too large"
    assert shuffle["breaks"] is None
    assert document["best"] == shuffle["name"]
    assert "within the limits" in document["verdict"]
    assert document["static"]["parameters"] == [tiny["name"], shuffle["name"]]
    assert document["static"]["top1"] == []
    assert tiny["backbone"] == {"kind": "graft:tiny", "weights": "pretrained", "channels": 3, "size": 32}
    for one in by_name.values():
        assert one["probe"]["accuracy"]["low"] <= one["probe"]["accuracy"]["value"] <= one["probe"]["accuracy"]["high"]
        assert one["flops"] > 1e5
        assert one["latency_ms"] > 0
        assert one["memory_bytes"] > 4 * one["parameters"]
        assert one["scores"]["leep"] is None
    assert tiny["probe"]["accuracy"]["value"] > document["baseline"]["accuracy"] + 0.3
    assert document["device"]["device"] in ("cpu", "cuda", "mps")


def test_rank__everything_that_is_here_and_nothing_else(
    graft: Graft, work: Path, photos: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    from torchvision.models import shufflenet_v2_x0_5

    # Else the weights that a plugin of this repository brings along are here, too.
    monkeypatch.setenv("GRAFT_PLUGINS", "classification")
    torch.save(shufflenet_v2_x0_5().state_dict(), work / "s.pth")
    options = ("--name", "mine", "--arch", "torchvision:shufflenet_v2_x0_5", "--licence", "cc-by-nc-4.0")
    assert graft("backbones", "import", "s.pth", *options).code == 0
    alone = graft("backbones", "rank", photos, *SMALL, "--candidates", "mine")
    assert "cc-by-nc-4.0: these weights may not be used commercially" in alone.err
    assert alone.out.splitlines()[-1].endswith("backbone.weights=mine backbone.size=32")
    result = graft("backbones", "rank", photos, "--size", "32", "--json")
    assert result.code == 0, result.err
    assert "2 backbones, all whose weights are here" in result.err
    found = {one["name"]: one for one in json.loads(result.out)["candidates"]}
    assert found.keys() == {"graft:tiny", "torchvision:shufflenet_v2_x0_5@mine"}
    mine = found["torchvision:shufflenet_v2_x0_5@mine"]
    assert mine["scores"]["leep"] is not None, "the file has its classifier"
    assert mine["backbone"]["weights"] == "mine"


def test_rank__values_of_data(graft: Graft, work: Path, photos: str) -> None:
    (work / "all").mkdir()
    (work / photos).rename(work / "all" / "here")
    write_photos(work / "all" / "there", seed=1)
    deep = ("all", "data.reader.kind=folder", "data.reader.class_level=2")
    result = graft("backbones", "rank", *deep, *SMALL, "--candidates", "tiny", "--json")
    assert result.code == 2
    assert "of one group" in result.err
    assert "data.split.by=stratified" in result.err
    again = graft("backbones", "rank", *deep, "data.split.by=stratified", *SMALL, "--candidates", "tiny", "--json")
    document = json.loads(again.out)
    assert document["images"]["used"] == 51
    assert document["command"].startswith("graft classify train all data.reader.kind=folder data.reader.class_level=2")


def test_rank__broken_files_are_left_out_and_named(graft: Graft, work: Path, photos: str) -> None:
    for name in ("apple", "sky"):
        (work / photos / name / "broken.png").write_bytes(b"no picture " + name.encode())
    result = graft("backbones", "rank", photos, *SMALL, *BOTH, "--limit", "100", "--json")
    assert result.code == 0, result.err
    document = json.loads(result.out)
    bad = document["images"]["bad"]
    assert bad
    assert all("broken.png" in text for text in bad)
    assert document["images"]["used"] + document["images"]["held_out"] == 32 - len(bad)
    (warning,) = document["warnings"]
    assert warning.startswith(f"left out {len(bad)} of ")


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("nowhere",), "nowhere"),
        (
            ("photos", "--candidates", "reznet18,timm:,tiny,graft:tiny"),
            "reznet18: no backbone 'reznet18': did you mean",
        ),
        (("photos", "--candidates", ","), "no candidate is named"),
        (("photos", "--candidates", "tiny,graft:tiny"), "graft:tiny: is named twice, as graft:tiny"),
        (("photos", "--max-latency", "20"), "--max-latency: '20' is no length of time (20ms, or 0.5s)"),
        (("photos", "--max-params", "ten"), "--max-params: 'ten' is no number (10M, or 500k)"),
        (("photos", "train.epochs=3"), "train.epochs: ranking takes values of data alone"),
        (("photos", "--candidates", "tiny@nothing,torchvision:resnet18"), "graft:tiny@nothing: no weights 'nothing'"),
        (("photos", "--candidates", "tiny@nothing,torchvision:resnet18"), "is not in the cache, and Graft is offline"),
    ],
)
def test_rank__mistakes(words: tuple[str, ...], says: str, graft: Graft, photos: str) -> None:
    result = graft("backbones", "rank", *words)
    assert result.code == 2
    assert says in result.err
    assert "Traceback" not in result.err
    assert result.out == ""


def test_rank__several_labels_are_refused(graft: Graft, work: Path, photos: str) -> None:
    rows = [f"photos/apple/apple-{i:02}.png,{'red;round' if i < 2 else 'red'}" for i in range(10)]
    (work / "labels.csv").write_text("path,label\n" + "\n".join(rows) + "\n")
    result = graft("backbones", "rank", "labels.csv", "--candidates", "tiny")
    assert result.code == 2
    assert "one label each, 2 of 10 have another number" in result.err
    assert "labels.csv line 2: 2 labels: red, round" in result.err


def test_rank__one_class_is_refused(graft: Graft, work: Path, photos: str) -> None:
    for name in ("leaf", "sky"):
        (work / photos / name).rename(work / name)
    result = graft("backbones", "rank", photos, "--candidates", "tiny")
    assert result.code == 2
    assert "all images are of one class" in result.err
