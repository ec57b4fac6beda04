"""What the guide's page on driving tells people to type works as it stands."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest

from graft.testing.commands import Graft

PAGE = (Path(__file__).parents[2] / "docs" / "guide" / "driving.md").read_text(encoding="utf-8")
LINES = [line for block in re.findall(r"```sh\n(.*?)```", PAGE, re.DOTALL) for line in block.splitlines()]
SHORT = ("train.epochs=1", "backbone.size=32", "evaluation.bootstrap=20", "train.batch=8")
HEADS = {"segment": ("head.width=4",), "detect": ("head.kind=ssd", "head.width=16")}


def _words(line: str) -> list[str]:
    return shlex.split(line, comments=True)[1:]


def test_every_line_works_in_its_order(tmp_path: Path) -> None:
    graft = Graft(tmp_path)
    for line in LINES:
        words = _words(line)
        if words[0] == "demo":  # the same as sample and train, and a minute long
            continue
        if words[:2] == ["data", "sample"]:
            words += ["--size", "48", "--per-class", "5"]
        if words[1] == "train":
            words += [*SHORT, *HEADS[words[0]]]
        result = graft(*words)
        assert result.code == 0, f"{line}\n{result.err}"
    assert (tmp_path / "preview.png").is_file()


@pytest.mark.parametrize("reader", ["cityscapes", "camvid", "bdd100k", "bdd100k-masks", "kitti", "kitti-masks"])
def test_every_reader_is_on_the_page(reader: str) -> None:
    assert f"`{reader}`" in PAGE
