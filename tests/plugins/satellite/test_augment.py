"""Turns and mirrors: an image's places follow it."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import pytest

from graft.data.spatial import Places
from graft_satellite.augment import overhead, overhead_strong, turned
from graft_satellite.options import GroundOptions


@dataclass(frozen=True)
class Marked:
    """A box and a mask around what is white."""

    at: Places

    def places(self) -> Places:
        return self.at

    def moved(self, places: Places) -> Marked:
        return replace(self, at=places)


def marked(image: np.ndarray, box: tuple[int, int, int, int]) -> Marked:
    mask = (image[:, :, 0] > 0.5).astype(np.uint8)
    return Marked(Places(size=image.shape[:2], boxes=np.array([box], np.float32), mask=mask))


@pytest.mark.parametrize("turns", range(4))
@pytest.mark.parametrize("mirrored", [False, True])
def test_turned__places_lie_where_the_image_lies(turns: int, mirrored: bool) -> None:
    image = np.zeros((30, 30, 1), np.float32)
    image[4:9, 12:25] = 1
    seen = np.rot90(image, turns)
    seen = seen[:, ::-1] if mirrored else seen
    found = turned(marked(image, (12, 4, 25, 9)).at, turns, mirrored=mirrored)
    np.testing.assert_array_equal(found.mask, seen[:, :, 0])
    x1, y1, x2, y2 = found.boxes[0].astype(int)
    assert seen[y1:y2, x1:x2].all()
    assert seen.sum() == (x2 - x1) * (y2 - y1)


@pytest.mark.parametrize("preset", [overhead, overhead_strong])
@pytest.mark.parametrize(("dtype", "channels"), [("uint8", 3), ("float32", 1), ("float32", 6)])
def test_presets__repeat_by_seed_and_keep_type_range_and_input(preset, dtype: str, channels: int) -> None:
    draw = np.random.default_rng(0)
    image = (draw.random((50, 60, channels)) * (255 if dtype == "uint8" else 1)).astype(dtype)
    before = image.copy()
    vary = preset(size=(40, 40), options=GroundOptions())
    once, target = vary(image, 7, 3)
    again, _ = vary(image, 7, 3)
    np.testing.assert_array_equal(once, again)
    np.testing.assert_array_equal(image, before)
    assert once.shape == (40, 40, channels)
    assert once.dtype == image.dtype
    assert target == 7
    assert once.min() >= 0
    assert once.max() <= (255 if dtype == "uint8" else 1)
    assert any(not np.array_equal(once, vary(image, 7, seed)[0]) for seed in range(4))


def test_presets__boxes_and_masks_stay_on_what_they_mark() -> None:
    image = np.zeros((64, 64, 4), np.float32)
    image[20:40, 10:30] = 1
    vary = overhead(size=(64, 64), options=GroundOptions(scale=1.0))
    for seed in range(16):
        seen, target = vary(image, marked(image, (10, 20, 30, 40)), seed)
        np.testing.assert_array_equal(target.at.mask, seen[:, :, 0] > 0.5)
        x1, y1, x2, y2 = target.at.boxes[0].round().astype(int)
        assert seen[y1:y2, x1:x2].all()


def test_presets__an_oblong_is_turned_by_halves_alone() -> None:
    image = np.random.default_rng(0).random((40, 60, 2)).astype(np.float32)
    vary = overhead(size=(40, 60), options=GroundOptions(scale=1.0))
    assert all(vary(image, None, seed)[0].shape == image.shape for seed in range(8))
