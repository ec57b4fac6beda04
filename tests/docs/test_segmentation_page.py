"""What the guide's page on segmentation tells people to type works as it stands."""

from __future__ import annotations

import os
import re
import shlex
from pathlib import Path

import pytest
from PIL import Image

from graft.testing.commands import Graft

PAGE = (Path(__file__).parents[2] / "docs" / "guide" / "segmentation.md").read_text(encoding="utf-8")
LINES = [line for block in re.findall(r"```sh\n(.*?)```", PAGE, re.DOTALL) for line in block.splitlines()]
SHORT = ("train.epochs=1", "backbone.size=32", "backbone.weights=none", "evaluation.bootstrap=20", "train.batch=8")


def _words(line: str) -> list[str]:
    return shlex.split(line, comments=True)[1:]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("guide")
    graft = Graft(folder)
    sample = _words(LINES[0])
    assert sample == ["data", "sample", "segment", "sample"]
    assert graft(*sample, "--size", "32", "--per-class", "3").code == 0
    assert graft("segment", "train", "sample/target", "--name", "first", *SHORT).code == 0
    return folder


@pytest.mark.parametrize("line", [line for line in LINES if " train " in line])
def test_train(line: str, folder: Path) -> None:
    words = [word for word in _words(line) if word not in ("--name", "first")]
    result = Graft(folder)(*words, *SHORT, "--name", f"run{abs(hash(line))}")
    assert result.code == 0, result.err


@pytest.mark.parametrize("line", [line for line in LINES if re.search("evaluate|predict|export", line)])
def test_use(line: str, folder: Path) -> None:
    result = Graft(folder)(*_words(line))
    assert result.code == 0, result.err
    if "--out" in line:
        masks = sorted((folder / "predicted").iterdir())
        assert masks
        assert all(Image.open(mask).size == (32, 32) for mask in masks)


def test_python(folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    (snippet,) = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
    monkeypatch.chdir(folder)
    exec(compile(snippet, "segmentation.md", "exec"), {})
    assert "(32, 32)" in capsys.readouterr().out
    assert os.getcwd() == str(folder)  # noqa: PTH109


def test_formats_are_listed_and_checked(folder: Path) -> None:
    graft = Graft(folder)
    shown = re.sub(r"[\s│]+", " ", graft("segment", "predict", "--help").out)
    assert "png (class numbers of each pixel, with a palette; needs --out)" in shown
    for words, says in (
        (("--format", "pgn"), "there is no 'pgn' (did you mean 'png'?)"),
        (("--format", "png"), "written into a folder, and none is named"),
        (("--format", "csv", "--out", "x"), "a folder is for png"),
        (("--format", "png", "--out", "x", "--output", "y.csv"), "goes to the folder --out"),
    ):
        result = graft("segment", "predict", "runs/first", "sample/target/test/images", *words)
        assert result.code == 2
        assert says in result.err


def test_files_do_not_overwrite_each_other_and_bad_ones_are_named(folder: Path) -> None:
    images = folder / "mixed"
    (images / "deep").mkdir(parents=True)
    picture = Image.new("RGB", (20, 30))
    for name in ("a.png", "a.jpg", "deep/a.png"):
        picture.save(images / name)
    (images / "bad.png").write_text("no image")
    result = Graft(folder)("segment", "predict", "runs/first", "mixed", "--format", "png", "--out", "more")
    assert result.code == 0
    assert "mixed/bad.png" in result.err
    found = sorted(path.relative_to(folder / "more").as_posix() for path in (folder / "more").rglob("*.png"))
    assert found == ["a.png", "a.png.png", "deep/a.png"]


def test_demo__names_what_there_is(folder: Path) -> None:
    result = Graft(folder)("demo", "segmnet")
    assert result.code != 0
    assert "there is no demo of 'segmnet': did you mean 'segment'?" in result.err
    assert Graft(folder)("data", "sample", "masks", "again", "--size", "16", "--per-class", "2").code == 0
    assert (folder / "again" / "source" / "classes.txt").is_file()
