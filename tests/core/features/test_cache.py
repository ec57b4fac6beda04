"""What is in the cache, what goes first, and what clearing frees."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from graft.features import cache

ABOUT = {"gives": "embedding", "device": "cpu"}


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("GRAFT_HOME", str(tmp_path))
    return tmp_path


def space(name: str, *sizes: int, used: float) -> Path:
    folder = cache.root() / name
    cache.prepare(folder, {**ABOUT, "name": name})
    for number, size in enumerate(sizes):
        (folder / f"{number}.safetensors").write_bytes(b"x" * size)
    os.utime(folder / cache.ABOUT, (used, used))
    return folder


def names() -> list[str]:
    return [one.path.name for one in cache.spaces()]


def test_spaces__the_least_recently_used_first() -> None:
    assert cache.spaces() == []
    space("b", 10, 20, used=300)
    space("a", used=100)
    folder = space("c", 5, used=200)
    (folder / "other.pkl").write_bytes(b"x" * 1000)
    (folder / ".tmp-1-x.safetensors").write_bytes(b"x" * 1000)
    (cache.root() / "a file").write_text("")
    found = cache.spaces()
    assert [(one.path.name, one.bytes, one.shards, one.used) for one in found] == [
        ("a", 0, 0, 100),
        ("c", 5, 1, 200),
        ("b", 30, 2, 300),
    ]
    assert found[1].about == {**ABOUT, "name": "c"}
    cache.touch(cache.root() / "a")
    assert names() == ["c", "b", "a"]


@pytest.mark.parametrize("text", [None, "", "{", "[1]", "\xff"])
def test_spaces__one_that_does_not_say_what_it_is(text: str | None) -> None:
    folder = space("a", 7, used=100)
    (folder / cache.ABOUT).unlink()
    if text is not None:
        (folder / cache.ABOUT).write_text(text, encoding="latin-1")
    (one,) = cache.spaces()
    assert (one.about, one.bytes) == ({}, 7)
    assert one.used > 1e9, "when it was made, not 1970"


def test_clear__what_matches_and_says_how_much_that_freed() -> None:
    for number, name in enumerate("abc"):
        space(name, 10, used=100 * number)
    assert cache.clear(lambda one: one.used < 150) == 20
    assert names() == ["c"]
    assert cache.clear() == 10
    assert cache.clear() == 0
    assert names() == []


def test_clear__what_could_not_be_deleted_is_not_freed(monkeypatch: pytest.MonkeyPatch) -> None:
    space("a", 10, used=1)
    monkeypatch.setattr("shutil.rmtree", lambda *_, **__: None)
    assert cache.clear() == 0


def test_make_room__the_oldest_go_and_no_more_than_needed() -> None:
    for number, name in enumerate("abcd"):
        space(name, 10, used=100 * number)
    keep = cache.root() / "a"
    assert cache.make_room(10, limit=50, keep=keep)
    assert names() == ["a", "b", "c", "d"]
    assert cache.make_room(11, limit=50, keep=keep)
    assert names() == ["a", "c", "d"]
    assert cache.make_room(20, limit=40, keep=keep)
    assert names() == ["a", "d"]


def test_make_room__nothing_goes_where_that_would_not_do() -> None:
    for number, name in enumerate("ab"):
        space(name, 10, used=100 * number)
    assert not cache.make_room(31, limit=40, keep=cache.root() / "a")
    assert names() == ["a", "b"]
    assert cache.make_room(30, limit=40, keep=cache.root() / "a")
    assert names() == ["a"]


def test_prepare__removes_what_a_killed_process_left() -> None:
    folder = space("a", used=1)
    (folder / ".tmp-999999999-x.safetensors").write_bytes(b"half")
    cache.prepare(folder, ABOUT)
    assert [path.name for path in folder.iterdir()] == [cache.ABOUT]
    assert cache.spaces()[0].used > 1e9
