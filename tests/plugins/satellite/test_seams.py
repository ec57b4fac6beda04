"""Objects in tiles that overlap: each is one box of the scene, wherever the seams are."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest

from graft_detection.detections import Detections
from graft_satellite.seams import TILE_OVERLAP, in_scene, merged
from graft_satellite.tiles import overlapping, tiles_of


@pytest.mark.parametrize("size", [(90, 130), (64, 64), (97, 64), (40, 200), (1000, 70)])
@pytest.mark.parametrize("side", [0, 64])
def test_overlapping__every_pixel_is_owned_once_and_seen_at_the_trained_scale(size: tuple[int, int], side: int) -> None:
    tiles = overlapping(size, side, TILE_OVERLAP)
    owned = np.zeros(size, int)
    for tile in tiles:
        (top, left, height, width), (own_top, own_left, own_height, own_width) = tile.seen, tile.own
        assert 0 <= top <= own_top <= own_top + own_height <= top + height <= size[0]
        assert 0 <= left <= own_left <= own_left + own_width <= left + width <= size[1]
        owned[own_top : own_top + own_height, own_left : own_left + own_width] += 1
    assert (owned == 1).all()
    if len(tiles_of(size, side)) == 1:
        assert [tile.seen for tile in tiles] == [(0, 0, *size)]


def seen_in(things: np.ndarray, region: tuple[int, int, int, int], draw: np.random.Generator) -> Detections:
    """Return what a good detector finds in a tile: what is there, cut at its edges, a pixel off."""
    top, left, height, width = region
    boxes = (things - [left, top, left, top]).clip(0, [width, height, width, height])
    boxes = boxes[((boxes[:, 2:] - boxes[:, :2]) >= 2).all(axis=1)]
    boxes = (boxes + draw.uniform(-1, 1, boxes.shape)).astype(np.float32)
    scores = draw.uniform(0.5, 1, len(boxes)).astype(np.float32)
    return Detections(boxes=boxes, labels=np.zeros(len(boxes), np.int64), scores=scores, size=(height, width))


def test_merged__an_object_is_one_box_wherever_it_lies() -> None:
    draw = np.random.default_rng(0)
    tiles = overlapping((300, 200), 64, TILE_OVERLAP)
    for top, left in product(range(0, 288, 7), range(0, 184, 13)):
        thing = np.array([[left, top, left + 11, top + 9]])
        ((box, label, _),) = merged([in_scene(seen_in(thing, tile.seen, draw), tile) for tile in tiles])
        np.testing.assert_allclose(box, thing[0], atol=1.01)
        assert label == 0


def test_merged__neighbours_and_nothing() -> None:
    draw = np.random.default_rng(0)
    tiles = overlapping((300, 200), 64, TILE_OVERLAP)
    row = np.array([[left, 60, left + 8, 70] for left in range(0, 190, 10)])
    assert len(list(merged([in_scene(seen_in(row, tile.seen, draw), tile) for tile in tiles]))) == len(row)
    nothing = np.zeros((0, 4), int)
    assert list(merged([in_scene(seen_in(nothing, tile.seen, draw), tile) for tile in tiles])) == []
