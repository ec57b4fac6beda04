"""What `docs/guide/first-look.md` shows can be typed."""

from __future__ import annotations

import re
import shlex
from collections.abc import Sequence
from pathlib import Path

import pytest

from graft.testing.commands import Graft
from photos import write_photos

PAGE = (Path(__file__).parents[2] / "docs" / "guide" / "first-look.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"```console\n(.*?)```", PAGE, re.DOTALL)
COMMANDS = [shlex.split(line)[2:] for block in BLOCKS for line in block.splitlines() if line.startswith("$ graft ")]


@pytest.mark.parametrize("words", COMMANDS, ids=" ".join)
def test_first_look__works(words: Sequence[str], tmp_path: Path) -> None:
    write_photos(tmp_path / "photos", per_class=8)
    rows = [f"{path},{path.parent.name}" for path in sorted((tmp_path / "photos").rglob("*.png"))]
    (tmp_path / "labels.csv").write_text("path,label\n" + "\n".join(rows) + "\n")
    result = Graft(tmp_path)(*words)
    assert result.code == 0, result.err
    for label in ("Found", "Advice", "Next"):
        assert label in PAGE
        assert re.search(rf"^{label} ", result.err, re.MULTILINE)
    (report,) = tmp_path.rglob("report.html")
    for file in ("doubts.csv", "copies.csv"):
        assert f"`{file}`" in PAGE
        assert report.with_name(file).is_file()


def test_first_look__there_are_some() -> None:
    assert len(COMMANDS) == 3
