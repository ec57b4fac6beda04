from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image

from graft.tryout.copies import SAME, details, near_copies, sets


def scene(seed: int, size: int = 96) -> np.ndarray:
    """A smooth picture with structure."""
    coarse = np.random.default_rng(seed).integers(0, 256, (7, 7, 3), dtype=np.uint8)
    return np.asarray(Image.fromarray(coarse).resize((size, size), Image.Resampling.BICUBIC))


def jpeg(pixels: np.ndarray, quality: int) -> np.ndarray:
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "JPEG", quality=quality)
    return np.asarray(Image.open(buffer))


@pytest.mark.parametrize(
    "changed",
    [
        lambda pixels: jpeg(pixels, 30),
        lambda pixels: np.asarray(Image.fromarray(pixels).resize((61, 61))),
        lambda pixels: (pixels * 0.8 + 20).astype(np.uint8),
        lambda pixels: pixels.astype(np.float32) / 255,
    ],
    ids=["re-encoded", "resized", "darker", "float"],
)
def test_details__are_the_same_for_a_copy_and_not_for_another(changed: object) -> None:
    original, copy, other = details(scene(0)), details(changed(scene(0))), details(scene(1))  # type: ignore[operator]
    assert original @ copy > SAME
    assert abs(float(original @ other)) < 0.9


def test_details__of_a_flat_picture_are_none() -> None:
    assert not details(np.full((20, 30, 1), 7, np.uint8)).any()


def test_details__skies_with_the_same_light_are_no_copies() -> None:
    light = np.linspace(80, 180, 96)[:, None, None]
    one, other = ((light + np.random.default_rng(seed).normal(0, 6, (96, 96, 3))).astype(np.uint8) for seed in (1, 2))
    assert details(one) @ details(other) < SAME


def test_near_copies__finds_pairs_and_no_others() -> None:
    known = np.stack([details(one) for one in (scene(0), scene(1), jpeg(scene(0), 50), np.zeros((9, 9, 3), np.uint8))])

    assert near_copies(np.concatenate([known, known[-1:]])) == [(0, 2)], "flat pictures are not compared"


def test_sets__copies_of_copies_belong_together() -> None:
    assert sets([(1, 3), (3, 4), (0, 5)], 6).tolist() == [0, 1, 2, 1, 1, 0]
