"""What GeoTIFFs become: the values that rasterio gives, in tiles, and nothing that GDAL should not open."""

from __future__ import annotations

import os
import pickle
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
from PIL import Image
from pydantic import ValidationError
from rasterio.enums import ColorInterp

from graft.data import BadImage
from graft_satellite.bands import index_of
from graft_satellite.decoder import SatelliteDecoder
from graft_satellite.options import SatelliteOptions
from scenes import NAMES, scene


def decoder(**options: Any) -> SatelliteDecoder:
    return SatelliteDecoder(options=SatelliteOptions(**options))


def test_decode__bands_by_name_and_number_scaled_to_one(tmp_path: Path) -> None:
    values = scene(tmp_path / "a.tif")
    found = decoder(bands=["nir", 3], high=2000).decode(tmp_path / "a.tif", channels=2)
    expected = (values[[3, 2]].transpose(1, 2, 0) / 2000).clip(0, 1)
    np.testing.assert_allclose(found, expected, atol=1e-6)
    assert found.dtype == np.float32
    each = decoder(bands=["red"], low=[100.0], high=[300.0]).decode(tmp_path / "a.tif", channels=1)
    np.testing.assert_allclose(each[:, :, 0], ((values[2] - 100.0) / 200).clip(0, 1), atol=1e-6)


def test_decode__bytes_stay_bytes_and_other_values_need_limits(tmp_path: Path) -> None:
    values = scene(tmp_path / "a.tif", dtype="uint8", count=3)
    found = decoder().decode(tmp_path / "a.tif", channels=3)
    assert found.dtype == np.uint8
    np.testing.assert_array_equal(found, values.transpose(1, 2, 0))
    scene(tmp_path / "b.tif")
    with pytest.raises(BadImage, match="nothing says which becomes 1"):
        decoder(bands=[1, 2, 3]).decode(tmp_path / "b.tif", channels=3)


def test_decode__what_has_no_data_is_zero(tmp_path: Path) -> None:
    path = tmp_path / "a.tif"
    values = scene(path, dtype="float32", count=1, nodata=-9999)
    with rasterio.open(path, "r+") as written:
        values[0, :5] = -9999
        values[0, 5] = np.nan
        written.write(values)
    found = decoder(high=4000).decode(path, channels=1)[:, :, 0]
    assert (found[:6] == 0).all()
    np.testing.assert_allclose(found[6:], values[0, 6:] / 4000, atol=1e-6)


def test_decode__indices_are_further_channels(tmp_path: Path) -> None:
    values = scene(tmp_path / "a.tif").astype(np.float64)
    one = decoder(bands=["red"], names=NAMES, indices=["ndvi"], high=4000)
    assert one.channels == (2,)
    found = one.decode(tmp_path / "a.tif", channels=2)
    ndvi = (values[3] - values[2]) / (values[3] + values[2])
    np.testing.assert_allclose(found[:, :, 1], (ndvi + 1) / 2, atol=1e-6)
    with pytest.raises(ValueError, match="indices need bands called nir, red"):
        decoder(bands=[1], indices=["ndvi"])


def test_decode__says_which_bands_there_are(tmp_path: Path) -> None:
    scene(tmp_path / "a.tif")
    with pytest.raises(BadImage, match="no band 'swir'"):
        decoder(bands=["swir"], high=1).decode(tmp_path / "a.tif", channels=1)
    with pytest.raises(BadImage, match="4 bands and 0 indices are read"):
        decoder(high=1).decode(tmp_path / "a.tif", channels=2)


def test_parts__cover_a_scene_once_and_are_read_alone(tmp_path: Path) -> None:
    values = scene(tmp_path / "a.tif")
    one = decoder(bands=["red"], high=4000, tile=40)
    parts = one.parts(tmp_path / "a.tif")
    assert len(parts) == 2 * 3
    assert [one.parts(part) for part in parts] == [(part,) for part in parts]
    whole = np.full(values.shape[1:], np.nan)
    for part in parts:
        _, (top, left, height, width) = one.scene(part)
        assert one.size(part) == (height, width)
        found = one.decode(part, channels=1)[:, :, 0]
        assert np.isnan(whole[top : top + height, left : left + width]).all()
        whole[top : top + height, left : left + width] = found
    np.testing.assert_allclose(whole, values[2] / 4000, atol=1e-6)
    assert len({one.digest(part) for part in parts}) == len(parts)
    assert list(decoder(tile=0).parts(tmp_path / "a.tif")) == [tmp_path / "a.tif"]


def test_group__is_a_block_of_the_ground_whatever_the_file(tmp_path: Path) -> None:
    scene(tmp_path / "a.tif", (100, 100), west=400_000)
    scene(tmp_path / "b.tif", (100, 100), west=400_200)
    scene(tmp_path / "far.tif", (100, 100), west=440_000)
    scene(tmp_path / "nowhere.tif", crs=None, west=0, resolution=1)
    one = decoder(block=5000)
    a, b, far = (one.group(tmp_path / f"{name}.tif") for name in ("a", "b", "far"))
    assert a == b != far
    assert a.startswith("EPSG:32633 5000 m ")
    assert one.group(tmp_path / "nowhere.tif") is None
    cut = decoder(block=500, tile=50)
    assert len({cut.group(part) for part in cut.parts(tmp_path / "a.tif")}) == 4


def test_group__is_the_same_ground_at_any_resolution_where_its_side_is_given(tmp_path: Path) -> None:
    scene(tmp_path / "coarse.tif", (100, 100), west=400_000)
    scene(tmp_path / "fine.tif", (200, 200), west=400_000, resolution=5)
    scene(tmp_path / "degrees.tif", (50, 50), crs="EPSG:4326", west=10, resolution=1e-4)
    coarse, fine = (decoder(block=3000).group(tmp_path / f"{name}.tif") for name in ("coarse", "fine"))
    assert coarse == fine
    groups = [decoder().group(tmp_path / f"{name}.tif") for name in ("coarse", "fine", "degrees")]
    assert [group.split()[1] for group in groups] == ["20500", "10200", "22800"]


def test_displayed__colours_by_their_names_and_haze_as_haze() -> None:
    one = decoder(bands=NAMES, high=4000)
    pixels = np.zeros((10, 10, 4), np.float32)
    pixels[:5] = (0.1, 0.2, 0.3, 0.9)
    clear = one.displayed(pixels)
    assert clear[0, 0].tolist() == [255, 170, 85]
    hazy = one.displayed(pixels * np.float32(0.8) + np.float32(0.2))
    assert hazy[9, 0].min() > 100 > clear[9, 0].max()
    for numbered in (decoder(bands=(1, 2, 3, 4), names=NAMES, high=4000), decoder(names=NAMES, high=4000)):
        assert numbered.displayed(pixels)[0, 0].tolist() == [255, 170, 85]
        assert numbered.displayed(pixels[:, :, :3])[0, 0].tolist() == [255, 170, 85]


def test_limits__that_make_no_range_are_refused() -> None:
    for given in ({"low": 5, "high": 5}, {"low": (0, 9), "high": 9}, {"low": 100}, {"low": (0, 1), "high": (1, 2, 3)}):
        with pytest.raises(ValidationError):
            SatelliteOptions(**given)


def test_bands__the_fourth_is_passed_over_where_it_is_transparency_alone(tmp_path: Path) -> None:
    values = scene(tmp_path / "a.tif")
    with pytest.raises(BadImage, match=r"4 bands and 0 indices are read, and backbone\.channels = 3"):
        decoder(high=4000).decode(tmp_path / "a.tif", channels=3)
    with rasterio.open(tmp_path / "a.tif", "r+") as written:
        written.colorinterp = [ColorInterp.red, ColorInterp.green, ColorInterp.blue, ColorInterp.alpha]
    found = decoder(high=4000).decode(tmp_path / "a.tif", channels=3)
    assert found.shape == (*values.shape[1:], 3)


def test_index__what_is_no_number_is_the_middle() -> None:
    bands = {"nir": np.array([[np.nan, 3.0, np.inf]]), "red": np.array([[1.0, 1.0, 1.0]])}
    found = index_of("ndvi", bands)
    assert np.isfinite(found).all()
    assert found[0, 1] == 0.75


def test_usual_images__are_read_as_usual(tmp_path: Path) -> None:
    Image.new("RGB", (9, 7), (1, 2, 3)).save(tmp_path / "a.png")
    one = decoder()
    assert one.reads(tmp_path / "a.png")
    assert one.size(tmp_path / "a.png") == (7, 9)
    assert one.decode(tmp_path / "a.png", channels=3)[0, 0].tolist() == [1, 2, 3]
    assert one.group(tmp_path / "a.png") is None


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("vrt.tif", b"<VRTDataset rasterXSize='9'/>", "it is none"),
        ("text.tif", b"hello", "it is none"),
        ("empty.tif", b"", "empty"),
        ("cut.tif", b"II*\0\x08\0\0\0", "cannot be decoded"),
    ],
)
def test_hostile_files__are_refused_by_their_first_bytes(tmp_path: Path, name: str, content: bytes, said: str) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(BadImage, match=said):
        decoder().decode(tmp_path / name, channels=3)


@pytest.mark.parametrize(
    "name", ["/vsicurl/http://127.0.0.1:9/a.tif", "/vsizip/a.zip/a.tif", "http://127.0.0.1:9/a.tif"]
)
def test_hostile_paths__are_files_that_do_not_exist(name: str) -> None:
    with pytest.raises(BadImage, match="no such file"):
        decoder().decode(Path(name), channels=3)


def test_decoder__is_pickled_and_shared_by_threads(tmp_path: Path) -> None:
    scene(tmp_path / "a.tif")
    one = pickle.loads(pickle.dumps(decoder(bands=["red"], high=4000, tile=40)))
    parts = one.parts(tmp_path / "a.tif") * 8
    alone = [one.decode(part, channels=1) for part in parts]
    with ThreadPoolExecutor(8) as pool:
        for found, expected in zip(pool.map(lambda part: one.decode(part, channels=1), parts), alone, strict=True):
            np.testing.assert_array_equal(found, expected)


def test_real_files__give_the_values_that_rasterio_gives() -> None:
    root = os.environ.get("GRAFT_TEST_DATA")
    if not root:
        pytest.skip("GRAFT_TEST_DATA names no folder with real data")
    files = sorted(Path(root, "data", "satellite", "formats").glob("*.tif"))
    assert files
    for file in files:
        with rasterio.open(file) as dataset:
            values, seen = dataset.read(), dataset.read_masks() > 0
        high = float(np.nanmax(values[seen].astype(np.float64)))
        low = float(np.nanmin(values[seen].astype(np.float64)))
        one = decoder(bands=list(range(1, len(values) + 1)), low=low, high=high, tile=0)
        found = one.decode(file, channels=len(values)).transpose(2, 0, 1)
        expected = np.where(seen, (values.astype(np.float64) - low) / (high - low), 0)
        np.testing.assert_allclose(found, expected, atol=1e-6, err_msg=file.name)
