from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image

from graft.tryout.copies import near_copies, sets, small


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
def test_small__is_the_same_for_a_copy_and_not_for_another(changed: object) -> None:
    original, copy, other = small(scene(0)), small(changed(scene(0))), small(scene(1))  # type: ignore[operator]
    assert original @ copy > 0.98
    assert abs(float(original @ other)) < 0.9


def test_small__of_a_flat_picture_is_nothing() -> None:
    assert not small(np.full((20, 30, 1), 7, np.uint8)).any()


def test_near_copies__needs_pixels_and_features() -> None:
    smalls = np.stack([small(scene(0)), small(jpeg(scene(0), 50)), small(scene(1)), small(scene(0))])
    features = np.random.default_rng(0).normal(size=(4, 16)).astype(np.float32)
    features[1] = features[0] * 1.01
    features[2] = features[0]  # the same features, other pixels; the last has the same pixels, other features

    assert near_copies(smalls, features) == [(0, 1)]


def test_sets__copies_of_copies_belong_together() -> None:
    assert sets([(1, 3), (3, 4), (0, 5)], 6).tolist() == [0, 1, 2, 1, 1, 0]
