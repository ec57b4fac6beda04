"""Smooth bending: what is seen, and where it is said to be."""

from __future__ import annotations

import albumentations as A
import numpy as np
import pytest
from pydantic import ValidationError

from graft.data.augment import NONE, ImageAugmentation
from graft.data.elastic import Elastic, _looked_up
from graft.data.options import AugmentOptions
from graft.data.spatial import Places

SIZE = (96, 128)
STRONGEST = 0.06


class Target:
    """A target that says places."""

    def __init__(self, places: Places) -> None:
        self.given = places

    def places(self) -> Places:
        return self.given

    def moved(self, places: Places) -> Target:
        return Target(places)


def bend(strength: float) -> ImageAugmentation:
    return ImageAugmentation(SIZE, {**NONE, "elastic": strength})


def disc(centre: tuple[float, float], radius: float) -> np.ndarray:
    rows, columns = np.mgrid[: SIZE[0], : SIZE[1]] + 0.5
    return (rows - centre[0]) ** 2 + (columns - centre[1]) ** 2 < radius**2


def displaced(seed: int, strength: float = STRONGEST) -> np.ndarray:
    """Return from where each pixel comes, `(H, W, 2)`, as places 0…1 down and across, by bending a ramp."""
    ramp = np.stack(np.meshgrid(*((np.arange(n) + 0.5) / n for n in SIZE), indexing="ij"), axis=2).astype(np.float32)
    one = Elastic(strength, p=1)
    one.set_random_state(np.random.default_rng(seed), None)
    drawn = one.get_params_dependent_on_data({}, {})
    return _looked_up(ramp, drawn["down"], drawn["across"], 1)


@pytest.mark.parametrize("kind", [np.uint8, np.float32])
@pytest.mark.parametrize("channels", [1, 3, 5])
def test_mask__follows_its_image(kind: type, channels: int) -> None:
    mask = disc((30, 40), 17) | disc((70, 90), 12)
    image = np.repeat(mask[:, :, None], channels, axis=2).astype(kind) * (255 if kind is np.uint8 else 1)
    before = image.copy(), mask.copy()
    bent = 0
    for seed in range(40):
        seen, target = bend(STRONGEST)(image, Target(Places(size=SIZE, mask=mask)), seed)
        assert (seen.shape, seen.dtype) == (image.shape, kind)
        found = target.given.mask
        assert (found.shape, found.dtype) == (SIZE, bool)
        share = seen[:, :, -1] / image.max()
        # By the nearest pixel and between pixels: of four that a value is between, the nearest has a fourth at least.
        assert found[share > 0.76].all()
        assert not found[share < 0.24].any()
        bent += not np.array_equal(found, mask)
    assert 10 < bent < 30, "half of the time"
    np.testing.assert_array_equal(image, before[0])
    np.testing.assert_array_equal(mask, before[1])


def test_mask__of_many_classes_and_of_one_for_each_thing_keeps_values() -> None:
    classes = np.random.default_rng(0).integers(0, 300, SIZE).astype(np.int16)
    each = np.stack([disc((8 * n + 5, 60), 4) for n in range(10)], axis=2)
    for mask in (classes, each):
        for seed in range(6):
            found = bend(STRONGEST)(np.zeros((*SIZE, 3), np.uint8), Target(Places(size=SIZE, mask=mask)), seed)[1]
            assert (found.given.mask.shape, found.given.mask.dtype) == (mask.shape, mask.dtype)
            assert set(np.unique(found.given.mask)) <= set(np.unique(mask))


def test_boxes__lie_around_what_they_are_of() -> None:
    boxes = np.array([[20, 30, 50.5, 60], [90, 10, 100, 20], [0, 70, 30, 96]], np.float32)
    target = Target(Places(size=SIZE, boxes=boxes))
    drawn = [np.zeros((*SIZE, 1), np.float32) for _ in boxes]
    for picture, (x1, y1, x2, y2) in zip(drawn, boxes, strict=True):
        picture[int(y1) : int(y2), int(x1) : int(np.ceil(x2))] = 1
    for seed in range(40):
        moved = bend(STRONGEST)(drawn[0], target, seed)[1].given
        np.testing.assert_array_equal(moved.rows, [0, 1, 2])
        for picture, box in zip(drawn, moved.boxes, strict=True):
            rows, columns = np.nonzero(bend(STRONGEST)(picture, None, seed)[0][:, :, 0] > 0.5)
            seen = [columns.min(), rows.min(), columns.max() + 1, rows.max() + 1]
            np.testing.assert_allclose(box, seen, atol=1.1)


def test_boxes__of_a_point_go_where_its_pixel_goes() -> None:
    x, y = 77.5, 33.5
    point = Places(size=SIZE, boxes=np.array([[x - 1, y - 1, x + 1, y + 1]], np.float32))
    for seed in range(20):
        one = bend(STRONGEST)
        box = one(np.zeros((*SIZE, 1), np.uint8), Target(point), seed)[1].given.boxes[0]
        spot = np.exp(-((np.mgrid[: SIZE[0], : SIZE[1]] + 0.5 - np.array([[[y]], [[x]]])) ** 2).sum(0) / 18)
        seen = one(spot[:, :, None].astype(np.float32), None, seed)[0][:, :, 0]
        row, column = np.unravel_index(seen.argmax(), SIZE)
        np.testing.assert_allclose([(box[0] + box[2]) / 2, (box[1] + box[3]) / 2], [column + 0.5, row + 0.5], atol=0.8)


def test_displacement__is_even_smooth_and_folds_nothing() -> None:
    here = displaced(0, 0.0)
    ways = np.stack([displaced(seed) for seed in range(200)])
    assert np.abs(ways - here).max() < STRONGEST
    for axis in (0, 1):
        step = np.diff(ways[..., axis], axis=axis + 1)
        assert step.min() > 0, "what is behind stays behind"
        # As far at an edge, along it, as in the middle; and across it not at all.
        spread = (ways - here)[..., axis].std(axis=0)
        spread = spread if axis == 0 else spread.T
        middle = spread[len(spread) // 2].mean()
        assert 0.01 < middle < 0.03
        assert spread[:, 0].max() < 2 * middle
        assert max(spread[0].max(), spread[-1].max()) < 0.1 * middle


def test_elastic__by_seed_alone_and_none_without() -> None:
    image = np.random.default_rng(0).integers(0, 256, (*SIZE, 3), np.uint8)
    one = bend(0.04)
    seen = [one(image, None, seed)[0] for seed in range(8)]
    for seed in reversed(range(8)):
        np.testing.assert_array_equal(one(image, None, seed)[0], seen[seed])
    np.testing.assert_array_equal(bend(0.0)(image, None, 3)[0], image)


def test_options__refuse_what_would_fold() -> None:
    assert AugmentOptions(elastic=STRONGEST).elastic == STRONGEST
    with pytest.raises(ValidationError, match=r"less than or equal to 0\.06"):
        AugmentOptions(elastic=0.07)


def test_elastic__is_one_of_albumentations_transforms() -> None:
    both = A.Compose([Elastic(0.05, p=1)], bbox_params=A.BboxParams("pascal_voc", label_fields=["names"]), seed=1)
    found = both(image=np.zeros((*SIZE, 3), np.uint8), bboxes=[(10, 10, 30, 30)], names=["a"])
    assert found["names"] == ["a"]
