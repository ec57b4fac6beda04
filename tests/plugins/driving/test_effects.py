"""Weather, light and cameras: repeatable, of the same size, stronger when asked for."""

from __future__ import annotations

import pickle

import numpy as np
import pytest

from graft.data.spatial import Places
from graft_driving.augment import CHANCES, road, signs
from graft_driving.effects import EFFECTS, applies_to
from graft_driving.options import RoadOptions

SIZE = (48, 64)


def picture(seed: int = 0) -> np.ndarray:
    """A street of smooth shades, with a sky and a few edges."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[: SIZE[0], : SIZE[1]]
    image = np.stack([80 + y * 2 % 97, 60 + x % 64, np.where(y < 20, 210, 90)], axis=-1)
    image[25:40, 10:22] = rng.integers(0, 255, 3)
    return image.clip(0, 255).astype(np.uint8)


class Mask:
    """A target that says where things are, and follows."""

    def __init__(self, mask: np.ndarray) -> None:
        self.mask = mask

    def places(self) -> Places:
        return Places(size=self.mask.shape, mask=self.mask, fill=255)

    def moved(self, places: Places) -> Mask:
        return Mask(places.mask)


@pytest.mark.parametrize("name", EFFECTS)
def test_an_effect_keeps_the_size_and_is_repeatable(name: str) -> None:
    image = picture()
    before = image.copy()
    once, again = (EFFECTS[name](image, 0.7, 5) for _ in range(2))
    assert once.shape == image.shape
    assert once.dtype == np.uint8
    assert np.array_equal(once, again)
    assert np.array_equal(image, before), "the picture itself must not change"


@pytest.mark.parametrize("name", EFFECTS)
def test_a_stronger_effect_changes_more(name: str) -> None:
    image = picture().astype(float)
    weak, strong = (
        np.mean([np.abs(EFFECTS[name](picture(), strength, seed) - image).mean() for seed in range(4)])
        for strength in (0.2, 1.0)
    )
    assert strong > 1.3 * weak > 0


@pytest.mark.parametrize("name", [name for name in EFFECTS if name not in ("defocus", "jpeg")])
def test_another_seed_gives_another_picture(name: str) -> None:
    assert any(not np.array_equal(EFFECTS[name](picture(), 1.0, 0), EFFECTS[name](picture(), 1.0, n)) for n in (1, 2))


def test_night_is_darker_and_fog_hides_the_horizon_more_than_the_road() -> None:
    image = picture()
    assert EFFECTS["night"](image, 1.0, 0).mean() < 0.5 * image.mean()
    kept = EFFECTS["fog"](image, 1.0, 0).std(axis=(1, 2))
    assert kept[-1] > 2 * kept[21]


def test_effects_are_for_colours_of_eight_bits() -> None:
    assert applies_to(picture())
    assert not applies_to(picture()[:, :, :1])
    assert not applies_to(picture().astype(np.float32))


@pytest.mark.parametrize("preset", [road, signs])
def test_an_augmentation_is_repeatable_also_after_pickling(preset: object) -> None:
    augment = preset(size=(32, 32), options=RoadOptions(**dict.fromkeys(CHANCES, 0.5)))
    copy = pickle.loads(pickle.dumps(augment))
    views = [augment(picture(), None, seed)[0] for seed in range(6)]
    assert all(np.array_equal(view, copy(picture(), None, seed)[0]) for seed, view in enumerate(views))
    assert len({view.tobytes() for view in views}) == 6
    assert all(view.shape == (32, 32, 3) for view in views)


@pytest.mark.parametrize("effect", CHANCES)
def test_weather_leaves_masks_where_the_same_moves_put_them(effect: str) -> None:
    mask = (picture()[:, :, 2] > 100).astype(np.uint8)
    without = dict.fromkeys(CHANCES, 0.0)
    plain = road(size=(32, 32), options=RoadOptions(**without))
    weather = road(size=(32, 32), options=RoadOptions(**{**without, effect: 1.0}))
    for seed in range(3):
        image, target = plain(picture(), Mask(mask), seed)
        changed, same = weather(picture(), Mask(mask), seed)
        assert np.array_equal(target.mask, same.mask)
        assert not np.array_equal(image, changed)


def test_one_chance_does_not_change_what_another_gives() -> None:
    off = dict.fromkeys(CHANCES, 0.0)
    alone = road(size=(32, 32), options=RoadOptions(**{**off, "noise": 1.0}))
    beside = road(size=(32, 32), options=RoadOptions(**{**off, "noise": 1.0, "rain": 1e-9}))
    assert np.array_equal(alone(picture(), None, 3)[0], beside(picture(), None, 3)[0])


def test_signs_are_never_mirrored_and_scenes_are() -> None:
    off = {**dict.fromkeys(CHANCES, 0.0), "scale": 1.0, "colour": 0.0}
    image = picture()[:, :48]
    views = [signs(size=(48, 48), options=RoadOptions(**off))(image, None, seed)[0] for seed in range(12)]
    assert all(np.array_equal(view, image) for view in views)
    views = [road(size=(48, 48), options=RoadOptions(**off))(image, None, seed)[0] for seed in range(12)]
    assert any(np.array_equal(view, image[:, ::-1]) for view in views)


def test_grey_and_deep_images_are_moved_alone() -> None:
    deep = (picture() / 255).astype(np.float32)
    augment = road(size=(32, 32), options=RoadOptions(**dict.fromkeys(CHANCES, 1.0)))
    image, _ = augment(deep, None, 1)
    assert image.dtype == np.float32
