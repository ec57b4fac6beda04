"""What the guide's page on images of the earth tells people to type works as it stands."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import rasterio

from graft.testing.commands import Graft
from scenes import scene

PAGE = (Path(__file__).parents[2] / "docs" / "guide" / "satellite.md").read_text(encoding="utf-8")
LINES = [line for block in re.findall(r"```sh\n(.*?)```", PAGE, re.DOTALL) for line in block.splitlines()]
(RECIPE,) = re.findall(r"```toml\n(.*?)```", PAGE, re.DOTALL)


def test_satellite__commands_in_their_order(tmp_path: Path) -> None:
    graft = Graft(tmp_path)
    (tmp_path / "land.toml").write_text(RECIPE, encoding="utf-8")
    scene(tmp_path / "scene.tif", (150, 90))
    assert len(LINES) == 4
    for line in LINES:
        more = ("train.epochs=1", "evaluation.bootstrap=10") if " train " in line else ()
        done = graft(*shlex.split(line)[1:], *more)
        assert done.code == 0, done.err
        if "statistics" in line:
            assert re.search(r"^high = \[\d", done.out, re.MULTILINE)
    with rasterio.open(tmp_path / "maps" / "scene.tif") as found:
        assert found.shape == (150, 90)
