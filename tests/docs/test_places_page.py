"""What `docs/plugin-authors/places.md` says of points is so."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from graft.data.augment import BASIC, NONE, ImageAugmentation
from graft.data.spatial import Spatial

PAGE = (Path(__file__).parents[2] / "docs" / "plugin-authors" / "places.md").read_text(encoding="utf-8")


@pytest.fixture
def point(monkeypatch: pytest.MonkeyPatch) -> Any:
    (code,) = re.findall(r"^```python\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
    module = ModuleType("places_page")
    monkeypatch.setitem(sys.modules, "places_page", module)  # dataclasses look their module up
    exec(compile(code, "places.md", "exec"), vars(module))
    return vars(module)["Point"]


@pytest.mark.parametrize("values", [{**NONE, "flip": True}, {**BASIC, "rotate": 0.0}], ids=["flip", "basic"])
def test_places__a_point_stays_on_what_it_points_at(point: Any, values: dict[str, Any]) -> None:
    image = np.zeros((64, 64, 3), np.uint8)
    image[20:23, 44:47] = 255
    target = point(np.array([45.5, 21.5], np.float32), (64, 64))
    assert isinstance(target, Spatial)
    seen = 0
    for seed in range(40):
        changed, moved = ImageAugmentation((48, 48), values)(image, target, seed)
        rows, columns = np.nonzero(changed.max(axis=2) > 128)
        if np.isnan(moved.xy).any() or not len(rows):
            continue
        seen += 1
        assert abs(moved.xy[0] - (columns.mean() + 0.5)) < 1.5
        assert abs(moved.xy[1] - (rows.mean() + 0.5)) < 1.5
    assert seen > 10


def test_places__a_point_that_was_cut_away_is_nowhere(point: Any) -> None:
    gone = point(np.array([5.0, 5.0], np.float32), (64, 64))
    image = np.zeros((64, 64, 3), np.uint8)
    _, moved = ImageAugmentation((16, 16), NONE)(image, gone, 0)
    assert np.isnan(moved.xy).all()
    assert len(moved.places().boxes) == 0
