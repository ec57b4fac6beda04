"""A decoder with an effect in it: the same pixels for the same file, and everything else as it was."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from graft.data import STANDARD
from graft_driving.effects import EFFECTS
from graft_driving.robustness import LEVELS, Corrupted, Latency, Robustness


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    pixels = np.random.default_rng(0).integers(40, 200, (24, 32, 3)).astype(np.uint8)
    Image.fromarray(pixels).save(tmp_path / "a.png")
    return tmp_path / "a.png"


@pytest.mark.parametrize("effect", EFFECTS)
def test_a_file_gives_the_same_pixels_each_time_and_others_than_before(photo: Path, effect: str) -> None:
    decoder = Corrupted(STANDARD, effect, 5)
    once, again = (decoder.decode(photo, channels=3) for _ in range(2))
    assert np.array_equal(once, again)
    assert not np.array_equal(once, STANDARD.decode(photo, channels=3))
    assert decoder.size(photo) == (24, 32)


def test_two_files_of_the_same_content_get_other_rain(photo: Path) -> None:
    other = photo.with_name("b.png")
    other.write_bytes(photo.read_bytes())
    decoder = Corrupted(STANDARD, "rain", 5)
    assert not np.array_equal(decoder.decode(photo, channels=3), decoder.decode(other, channels=3))


def test_without_an_effect_nothing_changes_and_grey_images_are_counted(photo: Path) -> None:
    assert np.array_equal(Corrupted(STANDARD, None).decode(photo, channels=3), STANDARD.decode(photo, channels=3))
    decoder = Corrupted(STANDARD, "fog", 3)
    assert np.array_equal(decoder.decode(photo, channels=1), STANDARD.decode(photo, channels=1))
    assert (decoder.left, decoder.seen) == (1, [photo])


def test_what_is_kept_is_a_share_of_the_clean_value() -> None:
    took = Latency(median=1.0, slowest=2.0, size=(24, 32), device="cpu", threads=1)
    values = {"fog": {1: 0.4, 5: 0.2}, "rain": {1: math.nan, 5: math.nan}}
    found = Robustness(metric="iou", clean=0.6, values=values, latency=took)
    assert found.kept("fog") == pytest.approx(0.5)
    assert math.isnan(found.kept("rain"))
    assert found.mean == pytest.approx(0.3)
    assert LEVELS[-1] == 5
