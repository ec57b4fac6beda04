"""Scans of another scanner, and stains of another laboratory."""

from __future__ import annotations

import pickle
from typing import Any

import numpy as np
import pytest

from graft_medical.augment import bias_field, scan, stain
from graft_medical.options import ScanOptions, StainOptions
from graft_segmentation.target import MaskTarget

PRESETS = [(scan, ScanOptions), (stain, StainOptions)]


def image(dtype: str, channels: int) -> np.ndarray:
    draw = np.random.default_rng(0).random((50, 60, channels))
    return (draw * 255).astype(np.uint8) if dtype == "uint8" else draw.astype(np.float32)


@pytest.mark.parametrize(("preset", "options"), PRESETS)
@pytest.mark.parametrize(("dtype", "channels"), [("uint8", 3), ("float32", 1), ("float32", 5)])
def test_presets__repeat_by_seed_and_keep_type_range_and_input(
    preset: Any, options: Any, dtype: str, channels: int
) -> None:
    given = image(dtype, channels)
    before = given.copy()
    vary = pickle.loads(pickle.dumps(preset(size=(40, 44), options=options())))
    seen = [vary(given, 7, seed) for seed in range(4)]
    np.testing.assert_array_equal(given, before)
    for seed, (found, target) in enumerate(seen):
        np.testing.assert_array_equal(found, vary(given, 7, seed)[0])
        assert (found.shape, found.dtype, target) == ((40, 44, channels), given.dtype, 7)
        assert found.min() >= 0
        assert found.max() <= (255 if dtype == "uint8" else 1)
    assert len({found.tobytes() for found, _ in seen}) == 4


@pytest.mark.parametrize(("preset", "options"), PRESETS)
def test_presets__without_strength_only_mirror(preset: Any, options: Any) -> None:
    zero = dict.fromkeys(options.model_fields, 0.0) | {"scale": 1.0}
    given = image("uint8", 3)[:40, :40]
    vary = preset(size=(40, 40), options=options(**zero))
    mirrors = [given, given[:, ::-1], given[::-1], given[::-1, ::-1]]
    for seed in range(8):
        found = vary(given, None, seed)[0].astype(int)
        assert any(np.abs(found - mirror).max() <= 1 for mirror in mirrors)


@pytest.mark.parametrize(("preset", "options"), PRESETS)
def test_elastic__bends_a_mask_with_its_image(preset: Any, options: Any) -> None:
    calm = dict.fromkeys(options.model_fields, 0.0) | {"scale": 1.0}
    rows, columns = np.mgrid[:64, :64]
    mask = ((rows - 30) ** 2 + (columns - 36) ** 2 < 300).astype(np.uint8)
    given = mask[:, :, None].astype(np.float32)
    whole = MaskTarget(source=None, index={}, multi=False, moved_to=mask)  # type: ignore[arg-type]
    mirrors = [given, given[:, ::-1], given[::-1], given[::-1, ::-1]]
    bent = preset(size=(64, 64), options=options(**calm | {"elastic": 0.06}))
    moved = 0
    for seed in range(20):
        found, target = bent(given, whole, seed)
        said = target.places().mask == 1
        # Between pixels and by the nearest: of four that a value is between, the nearest has a fourth at least.
        assert said[found[:, :, 0] > 0.76].all()
        assert not said[found[:, :, 0] < 0.24].any()
        moved += not any(np.allclose(found, mirror, atol=0.01) for mirror in mirrors)
    assert 4 < moved < 16, "half of the time"


def test_stain__moves_what_stains_absorb() -> None:
    vary = stain(size=(8, 8), options=StainOptions(light=0, scale=1.0, stain=0.2))
    purple = np.full((8, 8, 3), (0.5, 0.3, 0.6), np.float32)
    changes = [np.abs(vary(purple, None, seed)[0] - purple).max() for seed in range(8)]
    assert min(changes) > 0.005


def test_bias_field__is_smooth_and_around_one() -> None:
    field = bias_field((60, 80), 0.3, np.random.default_rng(1))
    assert 0.1 < field.min() < 1.5
    assert np.abs(np.diff(field, axis=0)).max() < 0.1 * np.ptp(field) + 0.02
    np.testing.assert_array_equal(bias_field((6, 8), 0.0, np.random.default_rng(1)), np.ones((6, 8)))
