"""What the guide on detection tells people to type works as it stands."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest

from boxes import write_shapes
from graft.plugins import HeadSpec, ReaderSpec, load_plugins
from graft.testing.commands import Graft

PAGE = Path(__file__).parents[2] / "docs" / "guide" / "detection.md"
SHORT = ("train.epochs=1", "train.batch=4", "backbone.size=64", "head.width=16", "evaluation.bootstrap=10")
SLOW = ("demo",)


def section(title: str) -> str:
    return PAGE.read_text(encoding="utf-8").partition(f"\n## {title}\n")[2].partition("\n## ")[0]


def commands(title: str) -> list[list[str]]:
    blocks = re.findall(r"```sh\n(.*?)```", section(title), re.DOTALL)
    lines = [line for block in blocks for line in block.splitlines() if line.startswith("graft ")]
    return [shlex.split(line, comments=True)[1:] for line in lines]


@pytest.fixture(scope="module")
def graft(tmp_path_factory: pytest.TempPathFactory) -> Graft:
    folder = tmp_path_factory.mktemp("detection-page")
    write_shapes(folder / "shapes", 12)
    (folder / "shapes" / "images").mkdir()
    for image in sorted((folder / "shapes").glob("*.png")):
        image.rename(folder / "shapes" / "images" / image.name)
    graft = Graft(folder)
    done = graft("detect", "train", "shapes", "head=ssd", "--name", "first", *SHORT)
    assert done.code == 0, done.err
    return graft


@pytest.mark.parametrize("title", ["Train", "Convert", "YOLO", "Predict and export", "Try it"])
def test_commands__of_the_page_work(graft: Graft, title: str) -> None:
    found = commands(title)
    assert found
    for words in found:
        if words[0] in SLOW:
            continue
        # A width is what YOLO's head has no option for.
        short = [word for word in SHORT if title != "YOLO" or not word.startswith("head.")]
        done = graft(*words, *(short if "train" in words else ()))
        assert done.code == 0, (words, done.err)


def test_tables__name_what_there_is() -> None:
    plugins = load_plugins(names=["detection"])
    heads = {name for name, spec in plugins.specs(HeadSpec).items() if "detection" in spec.tasks}
    readers = {name for name, spec in plugins.specs(ReaderSpec).items() if spec.gives == "boxes"}
    assert set(re.findall(r"^\| `([a-z-]+)`", section("Heads"), re.MULTILINE)) == heads
    assert set(re.findall(r"^\| `([a-z-]+)`", section("Data"), re.MULTILINE)) == readers


def test_yolo__options_are_those_of_the_page() -> None:
    options = load_plugins(names=["detection", "yolo"])
    given = options.options(options.find(HeadSpec, "yolo")).model_fields
    assert set(re.findall(r"`head\.([a-z]+)`", section("YOLO"))) == set(given)
