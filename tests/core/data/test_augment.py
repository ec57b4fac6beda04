from __future__ import annotations

import os
import pickle
import random
import subprocess
import sys

import numpy as np
import pytest

from graft.data import augment
from graft.data.geometry import centre_crop, resize
from graft.data.options import AugmentOptions
from graft.preprocess import Preprocess

SIZE = (24, 20)
PRESETS = ("none", "flip", "basic", "strong")
PREPROCESS = Preprocess(size=SIZE)


def build(name: str, **options):
    return getattr(augment, name)(size=SIZE, options=AugmentOptions(**options))


@pytest.fixture
def image(picture):
    return resize(picture(1, (40, 60)), PREPROCESS)


def kinds(image):
    """Return the image as every kind of pixels that the decoder gives."""
    grey = image[:, :, :1]
    return {
        "rgb": image,
        "grey": grey,
        "deep grey": (grey / 255).astype(np.float32),
        "deep rgb": np.repeat((grey / 255).astype(np.float32), 3, axis=2),
    }


@pytest.mark.parametrize("kind", ["rgb", "grey", "deep grey", "deep rgb"])
@pytest.mark.parametrize("name", PRESETS)
def test_presets__give_the_input_size_and_keep_kind_and_range(image, name, kind):
    before = kinds(image)[kind]
    copy = before.copy()
    one = build(name, vertical_flip=True)
    for seed in range(20):
        after, target = one(before, "target", seed)
        assert after.shape == (*SIZE, before.shape[2])
        assert after.dtype == before.dtype
        assert target == "target"
        assert after.min() >= 0
        assert after.max() <= (255 if before.dtype == np.uint8 else 1)
    np.testing.assert_array_equal(before, copy)


@pytest.mark.parametrize("name", PRESETS)
def test_presets__same_seed_same_bytes_whatever_came_before(image, name):
    one, other = build(name), build(name)
    draws = random.Random(0)
    seeds = [draws.randrange(2**64) for _ in range(12)]
    forward = {seed: one(image, None, seed)[0].tobytes() for seed in seeds}
    backward = {seed: other(image, None, seed)[0].tobytes() for seed in reversed(seeds)}
    assert forward == backward
    assert len(set(forward.values())) == {"none": 1, "flip": 2}.get(name, len(seeds))


@pytest.mark.parametrize("name", PRESETS)
def test_presets__survive_being_sent_to_a_process(image, name):
    one = build(name)
    other = pickle.loads(pickle.dumps(one))
    for seed in (0, 1, 2**64 - 1):
        np.testing.assert_array_equal(one(image, None, seed)[0], other(image, None, seed)[0])


def test_presets__use_no_global_random_state(image):
    random.seed(1)
    np.random.seed(1)
    before = random.getstate(), np.random.get_state()[1].tobytes()
    for name in PRESETS:
        build(name)(image, None, 5)
    assert (random.getstate(), np.random.get_state()[1].tobytes()) == before


def test_none__is_evaluations_centre_crop(image):
    for pixels in kinds(image).values():
        np.testing.assert_array_equal(build("none")(pixels, None, 3)[0], centre_crop(pixels, PREPROCESS))


def test_flip__is_the_centre_or_its_mirror_image(image):
    centre = centre_crop(image, PREPROCESS)
    seen = {build("flip")(image, None, seed)[0].tobytes() for seed in range(30)}
    assert seen == {centre.tobytes(), centre[:, ::-1].tobytes()}


def test_vertical_flip__is_upside_down(image):
    centre = centre_crop(image, PREPROCESS)
    one = build("none", vertical_flip=True)
    assert {one(image, None, seed)[0].tobytes() for seed in range(30)} == {centre.tobytes(), centre[::-1].tobytes()}


def test_options__refine_a_preset(image):
    calm = build("strong", scale=1, flip=False, rotate=0, colour=0, hue=0)
    np.testing.assert_array_equal(calm(image, None, 9)[0], centre_crop(image, PREPROCESS))
    assert build("none", scale=0.5)(image, None, 9)[0].tobytes() != centre_crop(image, PREPROCESS).tobytes()


def test_scale__keeps_at_least_that_share():
    # Each pixel's value is its place, so that a crop's extent can be read off.
    ramp = np.linspace(0, 1, 200, dtype=np.float32)
    image = np.repeat(np.repeat(ramp[None, :, None], 200, axis=0), 3, axis=2)
    one = augment.none(size=(64, 64), options=AugmentOptions(scale=0.5, aspect=1))
    widths = [float(np.ptp(one(image, None, seed)[0])) for seed in range(200)]
    assert 0.5**0.5 - 0.03 < min(widths) < 0.75
    assert max(widths) > 0.95


def test_aspect__follows_the_networks_input():
    ramp = np.linspace(0, 1, 240, dtype=np.float32)
    image = np.stack(np.broadcast_arrays(ramp[:, None], ramp[None, :], 0.5), axis=2).astype(np.float32)
    one = augment.none(size=(40, 80), options=AugmentOptions(scale=0.2, aspect=1))
    for seed in range(50):
        crop = one(image, None, seed)[0]
        assert np.ptp(crop[:, :, 1]) / np.ptp(crop[:, :, 0]) == pytest.approx(2, rel=0.15)


def test_colour__changes_brightness_by_no_more_than_asked():
    image = np.full((40, 40, 3), 100, np.uint8)
    one = augment.none(size=(20, 20), options=AugmentOptions(colour=0.1))
    means = [one(image, None, seed)[0].mean() for seed in range(200)]
    assert min(means) >= 100 * 0.9 - 255 * 0.1 - 1
    assert max(means) <= 100 * 1.1 + 255 * 0.1 + 1
    assert np.ptp(means) > 20


def test_hue__leaves_grey_images_without_a_warning(recwarn):
    grey = np.full((40, 40, 1), 100, np.uint8)
    one = build("none", hue=0.1)
    for seed in range(10):
        np.testing.assert_array_equal(one(grey, None, seed)[0], np.full((*SIZE, 1), 100))
    assert not recwarn.list


def test_import__asks_no_network(tmp_path):
    # A stand-in for albumentations, which would ask for a newer version of itself right here.
    stub = "import os, sys; sys.exit(0 if os.environ.get('NO_ALBUMENTATIONS_UPDATE') == '1' else 'it would ask')"
    (tmp_path / "albumentations.py").write_text(stub)
    environment = {name: value for name, value in os.environ.items() if name != "NO_ALBUMENTATIONS_UPDATE"}
    code = f"import sys; sys.path.insert(0, {str(tmp_path)!r}); import graft.data.augment; sys.exit('not imported')"
    subprocess.run([sys.executable, "-c", code], check=True, env=environment)


@pytest.mark.parametrize("kind", ["rgb", "grey", "deep grey"])
def test_erase__replaces_one_rectangle_by_noise_as_often_as_it_is_told(image, kind):
    before = kinds(image)[kind]
    plain, erased = build("none"), build("none", erase=0.5)
    areas = []
    for seed in range(200):
        one, other = plain(before, None, seed)[0], erased(before, None, seed)[0]
        rows, columns = np.nonzero((one != other).any(axis=2))
        if len(rows):
            patch = other[rows.min() : rows.max() + 1, columns.min() : columns.max() + 1]
            areas.append(patch.shape[0] * patch.shape[1] / (SIZE[0] * SIZE[1]))
            changed = (one != other).any(axis=2).sum()
            assert changed > 0.9 * patch.shape[0] * patch.shape[1], "all of the rectangle, but for chance"
            assert patch.std() > 0.15 * (255 if before.dtype == np.uint8 else 1), "noise"
    assert 70 < len(areas) < 130
    assert min(areas) < 0.08
    assert 0.2 < max(areas) < 0.4


def test_erase__all_images_and_all_aspects(image):
    before = image.copy()
    one = build("none", erase=1)
    plain = build("none")(image, None, 0)[0]
    heights, widths = [], []
    for seed in range(300):
        after = one(image, None, seed)[0]
        rows, columns = np.nonzero((after != plain).any(axis=2))
        heights.append(np.ptp(rows) + 1)
        widths.append(np.ptp(columns) + 1)
    aspects = np.array(widths) / np.array(heights)
    assert aspects.min() < 0.5
    assert 2.5 < aspects.max() <= 5, "3.3, but for whole pixels"
    np.testing.assert_array_equal(image, before)


def test_erase__comes_last_and_changes_no_other_draw(image):
    """With it a preset gives the same images as without, but for the patch; so does one that had none before."""
    for name in PRESETS:
        whole, erased = build(name, erase=0), build(name, erase=1)
        for seed in range(20):
            one, other = whole(image, None, seed)[0], erased(image, None, seed)[0]
            rows, columns = np.nonzero((one != other).any(axis=2))
            assert len(rows)
            assert (np.ptp(rows) + 1) * (np.ptp(columns) + 1) < 0.4 * SIZE[0] * SIZE[1]


def test_presets__strong_erases_a_patch_in_a_quarter_of_the_images_and_no_other_preset_does(image):
    for name in PRESETS:
        one, whole = build(name), build(name, erase=0)
        erased = [(one(image, None, seed)[0] != whole(image, None, seed)[0]).any() for seed in range(200)]
        assert np.mean(erased) == pytest.approx(0.25 if name == "strong" else 0, abs=0.08 if name == "strong" else 0)
