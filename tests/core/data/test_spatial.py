from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from graft.data.geometry import centre_crop, resize
from graft.data.spatial import Placement, Places, Spatial, placed, restored
from graft.preprocess import Preprocess
from patches import Patch, patch_of

sides = st.integers(20, 200)
ways = st.sampled_from([
    Preprocess(size=(64, 64)),
    Preprocess(size=(48, 80), crop=0.9),
    Preprocess(size=(64, 48), resize="squash"),
    Preprocess(size=(64, 64), resize="pad"),
    Preprocess(size=(40, 96), resize="pad"),
    Preprocess(size=(64, 64), resize="windows"),
])  # fmt: skip


def _picture(height: int, width: int) -> np.ndarray:
    image = np.zeros((height, width, 3), np.uint8)
    image[height // 4 : 3 * height // 4, width // 3 : 2 * width // 3] = 255
    return image


@given(sides, sides, ways)
def test_placement__targets_lie_where_the_image_does(height: int, width: int, preprocess: Preprocess) -> None:
    image = _picture(height, width)
    prepared = centre_crop(resize(image, preprocess), preprocess)
    target = placed(patch_of(image), Placement.prepared((height, width), preprocess)).given
    assert target.size == prepared.shape[:2] == target.mask.shape
    seen = patch_of(prepared).given
    # Where an edge runs through a pixel, either is right.
    edge = 2 * sum(prepared.shape[:2])
    assert np.count_nonzero(target.mask != seen.mask) <= edge
    if len(seen.boxes) and len(target.boxes):
        assert np.abs(target.boxes - seen.boxes).max() <= 1.5


@given(sides, sides, ways)
def test_placement__back_again(height: int, width: int, preprocess: Preprocess) -> None:
    way = Placement.prepared((height, width), preprocess)
    boxes = np.array([[3, 5, 11, 17], [0, 0, width, height]], np.float32)
    assert np.allclose(way.back().boxes(way.boxes(boxes)), boxes, atol=1e-3)
    assert way.back().target == (height, width)


def test_placement__a_box_and_a_mask_by_hand() -> None:
    way = Placement.prepared((100, 200), Preprocess(size=(50, 50), resize="pad"))
    assert way.scale == (0.25, 0.25)
    moved = way(Places(size=(100, 200), boxes=np.array([[40, 20, 80, 60]], np.float32), mask=np.ones((100, 200), np.uint8), fill=9))  # noqa: E501  # fmt: skip
    assert moved.boxes.tolist() == [[10, 5, 20, 15]]
    assert (moved.mask[:25] == 1).all()
    assert (moved.mask[25:] == 9).all()


def test_clipped__what_is_hardly_seen_is_dropped() -> None:
    boxes = np.array([[-90, 0, 10, 10], [-5, 0, 5, 10], [20, 20, 20, 30], [50, 50, 60, 60]], np.float32)
    places = Places(size=(40, 40), boxes=boxes).clipped()
    assert places.boxes.tolist() == [[0, 0, 5, 10]]
    assert places.rows.tolist() == [1]
    assert Places(size=(40, 40), boxes=boxes).clipped(0).rows.tolist() == [0, 1]


def test_a_prediction_comes_back_to_its_file() -> None:
    preprocess = Preprocess(size=(32, 32), resize="pad")
    image = _picture(60, 90)
    way = Placement.prepared((60, 90), preprocess)
    prediction = patch_of(resize(image, preprocess))
    found = restored(prediction, way).given
    assert found.mask.shape == (60, 90)
    assert np.abs(found.boxes - patch_of(image).given.boxes).max() <= 3
    assert restored(7, way) == placed(7, way) == 7


def test_spatial__is_what_has_the_two_methods() -> None:
    assert isinstance(Patch(Places(size=(1, 1))), Spatial)
    assert not isinstance(np.zeros(3), Spatial)


def test_cut_centre_is_the_placement_of_it() -> None:
    preprocess = replace(Preprocess(size=(15, 16)), crop=0.75)
    image = _picture(61, 47)
    stored = Placement.stored((61, 47), preprocess)
    assert stored.target == resize(image, preprocess).shape[:2]
    assert stored.then(Placement.cut(stored.target, (15, 16))) == Placement.prepared((61, 47), preprocess)


@pytest.mark.parametrize("order", ["rgb", "bgr"])
def test_pad__is_filled_with_the_mean_colour(order: str) -> None:
    preprocess = Preprocess(size=(8, 8), resize="pad", mean=(0.2, 0.4, 0.6), channel_order=order)
    padded = resize(np.zeros((4, 8, 3), np.uint8), preprocess)
    wanted = [51, 102, 153] if order == "rgb" else [153, 102, 51]
    assert padded[6, 6].tolist() == wanted
    assert padded[2, 6].tolist() == [0, 0, 0]
