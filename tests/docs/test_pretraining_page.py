"""What the guide's page on pretraining tells people to type works as it stands."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

from graft.testing.commands import Graft

PAGE = (Path(__file__).parents[2] / "docs" / "guide" / "pretraining.md").read_text(encoding="utf-8")
LINES = [line for block in re.findall(r"```sh\n(.*?)```", PAGE, re.DOTALL) for line in block.splitlines()]
(LEAVES,) = re.findall(r"```toml\n(.*?)```", PAGE, re.DOTALL)
SHORT = ("backbone.size=32", "evaluation.bootstrap=0")


def test_pretraining__commands_in_their_order(tmp_path: Path) -> None:
    graft = Graft(tmp_path)
    (tmp_path / "leaves.toml").write_text(LEAVES.replace("400", "40"), encoding="utf-8")
    for line in LINES:
        words = shlex.split(line, comments=True)[1:]
        if words[:2] == ["data", "sample"]:
            more: tuple[str, ...] = ("--per-class", "3")
        elif words[0] == "backbones":
            more = ("--size", "32")
        elif words[0] == "data":
            more = ()
        else:
            more = SHORT if "train.budget=20s" in words else (*SHORT, "train.epochs=1")
        done = graft(*(word.replace("20s", "2s") for word in words), *more)
        assert done.code == 0, done.err
        if "weights=runs/" in line and words[0] != "backbones":
            assert "90 tensors loaded" in done.err
