"""Large images through windows: what comes out is what the whole image gives."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from graft.data.windows import corners, cut_region, draw_region, tiles
from graft.preprocess import Preprocess
from graft.windows import Grid
from patches import Maps


def _way(side: int = 32, overlap: float = 0.5) -> Preprocess:
    return Preprocess(size=(side, side), resize="windows", overlap=overlap)


def _through(network: Maps, image: np.ndarray, preprocess: Preprocess) -> torch.Tensor:
    seen, places = tiles(image, preprocess)
    stacked = torch.from_numpy(np.stack(seen)).permute(0, 3, 1, 2)
    grid = Grid(places, preprocess.size, image.shape[:2], preprocess.overlap)
    with torch.no_grad():
        return grid.stitched(network(some) for some in torch.split(stacked, 3))


@pytest.mark.parametrize("size", [(100, 70), (33, 32), (64, 129), (32, 32)])
@pytest.mark.parametrize(("overlap", "reach"), [(0.5, 4), (0.25, 2), (0.25, 0), (0.0, 0)])
def test_stitched__equals_the_whole_image(size: tuple[int, int], overlap: float, reach: int) -> None:
    image = np.random.default_rng(0).integers(0, 256, (*size, 3), dtype=np.uint8)
    network = Maps(reach)
    with torch.no_grad():
        whole = network(torch.from_numpy(image).permute(2, 0, 1)[None])
    assert torch.allclose(_through(network, image, _way(overlap=overlap)), whole, atol=1e-5)


def test_stitched__a_network_that_looks_further_differs_next_to_borders_alone() -> None:
    image = np.random.default_rng(0).integers(0, 256, (96, 32, 3), dtype=np.uint8)
    network = Maps(6)
    with torch.no_grad():
        whole = network(torch.from_numpy(image).permute(2, 0, 1)[None])
    got = _through(network, image, _way(overlap=0.25))
    borders = {edge for top, _ in corners((96, 32), _way(overlap=0.25)) for edge in (top, top + 32)} - {0, 96}
    near = np.array([any(abs(row + 0.5 - edge) < 6 for edge in borders) for row in range(96)])
    assert torch.allclose(got[:, :, ~near], whole[:, :, ~near], atol=1e-5)
    assert not torch.allclose(got, whole, atol=1e-3)


@pytest.mark.parametrize("size", [(150, 70), (33, 40), (20, 50), (64, 64)])
@pytest.mark.parametrize("overlap", [0.0, 0.25, 0.5])
def test_bands__are_the_whole_from_the_top_as_soon_as_they_can_be(size: tuple[int, int], overlap: float) -> None:
    image = np.random.default_rng(1).integers(0, 256, (*size, 3), dtype=np.uint8)
    network, way, seen = Maps(3), _way(overlap=overlap), []
    windows, places = tiles(image, way)
    grid = Grid(places, way.size, size, overlap)

    def given():
        for window, place in zip(windows, places, strict=True):
            seen.append(place)
            with torch.no_grad():
                yield network(torch.from_numpy(window.copy()).permute(2, 0, 1)[None])

    bands = []
    for top, band in grid.bands(given()):
        assert top == sum(other.shape[2] for other in bands)
        assert seen[-1][0] <= top + way.size[0], "no further window was asked for"
        bands.append(band[""])
    assert torch.equal(torch.cat(bands, dim=2), grid.stitched(given()))
    assert len(bands) == len({top for top, _ in places})
    with pytest.raises(ValueError, match="row by row"):
        list(Grid(((8, 0), (0, 0)), (8, 8), (16, 8), 0.0).bands([torch.ones(2, 1, 8, 8)]))


def test_stitched__smaller_images_are_continued_and_cut_back() -> None:
    image = np.random.default_rng(1).integers(0, 256, (20, 50, 3), dtype=np.uint8)
    network = Maps(0)
    with torch.no_grad():
        whole = network(torch.from_numpy(image).permute(2, 0, 1)[None])
    assert torch.allclose(_through(network, image, _way()), whole, atol=1e-5)


def test_stitched__maps_by_name_and_what_is_no_map() -> None:
    grid = Grid(((0, 0), (0, 4)), (8, 8), (8, 12), 0.5)
    given = [{"a": torch.ones(2, 3, 8, 8), "b": torch.zeros(2, 1, 8, 8)}]
    whole = grid.stitched(given)
    assert whole["a"].shape == (1, 3, 8, 12)
    assert torch.equal(whole["a"], torch.ones(1, 3, 8, 12))
    with pytest.raises(ValueError, match="maps of their size"):
        grid.stitched([torch.ones(2, 3, 4, 4)])


@given(st.integers(1, 300), st.integers(1, 300), st.integers(4, 64), st.floats(0, 0.5))
def test_corners__cover_the_image_and_overlap(height: int, width: int, side: int, overlap: float) -> None:
    places = corners((height, width), _way(side, overlap))
    seen = np.zeros((max(height, side), max(width, side)), bool)
    for top, left in places:
        assert top + side <= max(height, side)
        seen[top : top + side, left : left + side] = True
    assert seen.all()
    rows = sorted({top for top, _ in places})
    assert all(rows[i + 1] - rows[i] <= side - int(side * overlap) or len(rows) == 1 for i in range(len(rows) - 1))


def test_cut_region__reflects() -> None:
    row = np.arange(5)[None]
    assert cut_region(row, (0, -3, 1, 13)).tolist() == [[3, 2, 1, 0, 1, 2, 3, 4, 3, 2, 1, 0, 1]]
    assert np.array_equal(cut_region(row, (0, -3, 1, 13)), np.pad(row, ((0, 0), (3, 5)), mode="reflect"))


def test_draw_region__a_function_of_its_seed_that_reaches_everywhere() -> None:
    drawn = {draw_region((40, 30), (32, 32), seed) for seed in range(300)}
    assert {top for top, *_ in drawn} == set(range(9))
    assert {left for _, left, *_ in drawn} == {-1}
    assert draw_region((40, 30), (32, 32), 5) == draw_region((40, 30), (32, 32), 5)
