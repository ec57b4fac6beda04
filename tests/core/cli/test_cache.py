"""`graft cache`: what is there, and what clearing it frees."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path

import pytest

from graft.testing.commands import Graft
from photos import write_photos


def cached(work: Path, name: str, size: int, days: float, about: dict[str, str]) -> Path:
    folder = work / "home" / "features" / name
    folder.mkdir(parents=True)
    (folder / "a.safetensors").write_bytes(b"x" * size)
    (folder / "about.json").write_text(json.dumps(about))
    then = time.time() - 86400 * days
    os.utime(folder / "about.json", (then, then))
    return folder


@pytest.fixture
def two(work: Path) -> tuple[Path, Path]:
    old = cached(work, "1" * 32, 2_500_000, 40, {"gives": "embedding", "device": "cpu", "precision": "fp32"})
    new = cached(work, "2" * 32, 1500, 1, {"backbone": "graft:tiny", "gives": "stage1, pooled by gap"})
    return old, new


def test_list__what_there_is(graft: Graft, two: tuple[Path, Path]) -> None:
    result = graft("cache", "list")
    assert result.code == 0
    header, first, second = result.out.splitlines()
    assert header.split() == ["NAME", "SIZE", "SHARDS", "USED", "WHAT"]
    assert first.startswith("111111111111  2.5 MB  1")
    assert first.endswith("embedding, cpu, fp32")
    assert second.endswith("graft:tiny, stage1, pooled by gap")
    assert "2.5 MB in" in result.err


def test_list__json(graft: Graft, work: Path, two: tuple[Path, Path]) -> None:
    document = json.loads(graft("cache", "list", "--json").out)
    assert document["folder"] == str(work / "home" / "features")
    assert document["bytes"] == 2_501_500
    assert [(space["name"][0], space["bytes"], space["shards"]) for space in document["spaces"]] == [
        ("1", 2_500_000, 1),
        ("2", 1500, 1),
    ]
    assert document["spaces"][1]["about"]["backbone"] == "graft:tiny"


def test_list__what_extracting_leaves(graft: Graft, work: Path) -> None:
    assert (graft("cache", "list").code, graft("cache", "list").out) == (0, "")
    write_photos(work / "photos", per_class=2)
    assert graft("features", "extract", "photos", "-o", "f.npz", "--size", "32", "--device", "cpu").code == 0
    lines = graft("cache", "list").out.splitlines()
    assert len(lines) == 2
    assert lines[1].endswith("graft:tiny, tiny, embedding, cpu, fp32")


@pytest.mark.parametrize(("age", "left"), [("30d", 1), ("23h", 0), ("90d", 2)])
def test_clear__by_age(graft: Graft, two: tuple[Path, Path], age: str, left: int) -> None:
    result = graft("cache", "clear", "--older-than", age)
    assert result.code == 0
    assert sum(folder.exists() for folder in two) == left
    assert ("are left" in result.err) is (left > 0)
    assert result.err.startswith(f"Cleared  {'0 B' if left == 2 else '2.5 MB'} in")


def test_clear__all(graft: Graft, two: tuple[Path, Path]) -> None:
    document = json.loads(graft("cache", "clear", "--json").out)
    assert (document["freed"], document["cleared"], document["left"]) == (2_501_500, 2, 0)
    assert graft("cache", "clear").code == 0


@pytest.mark.parametrize("age", ["30", "d", "1.5d", "-1d", "2w", ""])
def test_clear__what_is_no_age(graft: Graft, two: tuple[Path, Path], age: str) -> None:
    result = graft("cache", "clear", f"--older-than={age}")
    assert result.code == 2
    assert "30d, 12h or 90m" in result.err
    assert all(folder.exists() for folder in two)
