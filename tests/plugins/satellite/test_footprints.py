"""Where images lie, and how much ground a pixel covers, in whatever projection."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
from PIL import Image
from rasterio.transform import from_origin
from rasterio.warp import transform

from graft.data import Catalogue, Sample
from graft.recipe import Options
from graft_satellite.decoder import SatelliteDecoder
from graft_satellite.domain import Satellite
from graft_satellite.footprints import footprint, pixel_area
from graft_satellite.options import SatelliteOptions
from scenes import scene

DECODER = SatelliteDecoder(options=SatelliteOptions(tile=64, high=1))


def leaks(folder: Path, split: dict[str, list[str]]) -> list[str]:
    paths = [path for names in split.values() for path in names]
    samples = tuple(Sample(id=name, path=folder / name, target=("a",)) for name in paths)
    catalogue = Catalogue(samples=samples, classes=("a",), reader="x", root=folder)
    indices = {name: [paths.index(path) for path in given] for name, given in split.items()}
    return list(map(str, Satellite(options=Options(), decoder=DECODER).leaks(catalogue, indices)))


@pytest.mark.parametrize("west", [300_000, 500_000, 700_000])
def test_leaks__tiles_that_touch_share_no_ground(tmp_path: Path, west: float) -> None:
    scene(tmp_path / "a.tif", (128, 128), west=west)
    parts = [part.relative_to(tmp_path).as_posix() for part in DECODER.parts(tmp_path / "a.tif")]
    assert len(parts) == 4
    assert leaks(tmp_path, {"train": parts[::2], "test": parts[1::2]}) == []


def test_leaks__the_same_ground_in_other_coordinates_is_found(tmp_path: Path) -> None:
    scene(tmp_path / "a.tif", (60, 60), west=400_000)
    (x,), (y,) = transform("EPSG:32633", "EPSG:3857", [400_300], [5_500_000 - 300])
    profile: dict[str, Any] = {"driver": "GTiff", "height": 30, "width": 30, "count": 1, "dtype": "uint8"}
    with rasterio.open(tmp_path / "b.tif", "w", **profile, crs="EPSG:3857", transform=from_origin(x, y, 10, 10)) as out:
        out.write(np.ones((1, 30, 30), "uint8"))
    scene(tmp_path / "far.tif", (60, 60), west=450_000)
    scene(tmp_path / "nowhere.tif", (60, 60), crs=None, west=0, resolution=1)
    (said,) = leaks(tmp_path, {"train": ["a.tif", "nowhere.tif"], "test": ["b.tif", "far.tif"]})
    assert said.startswith("a.tif: in train, shows the ground of b.tif in test (100%")


def test_leaks__images_that_say_no_place_share_none(tmp_path: Path) -> None:
    scene(tmp_path / "a.tif", crs=None, west=0, resolution=1)
    Image.new("RGB", (9, 7)).save(tmp_path / "b.png")
    assert leaks(tmp_path, {"train": ["a.tif"], "test": ["b.png"]}) == []


@pytest.mark.parametrize(("crs", "expected"), [("EPSG:32633", 100.0), ("EPSG:3857", 41.7)])
def test_pixel_area__is_that_of_the_ground(tmp_path: Path, crs: str, expected: float) -> None:
    (x,), (y,) = transform("EPSG:4326", crs, [15.0], [49.8])
    profile: dict[str, Any] = {"driver": "GTiff", "height": 64, "width": 64, "count": 1, "dtype": "uint8"}
    with rasterio.open(tmp_path / "a.tif", "w", **profile, crs=crs, transform=from_origin(x, y, 10, 10)) as out:
        out.write(np.ones((1, 64, 64), "uint8"))
    assert pixel_area(DECODER, tmp_path / "a.tif") == pytest.approx(expected, rel=2e-3)
    assert footprint(DECODER, tmp_path / "a.tif").is_valid


def test_pixel_area__in_degrees(tmp_path: Path) -> None:
    profile: dict[str, Any] = {"driver": "GTiff", "height": 64, "width": 64, "count": 1, "dtype": "uint8"}
    place = from_origin(10, 60, 1e-4, 1e-4)
    with rasterio.open(tmp_path / "a.tif", "w", **profile, crs="EPSG:4326", transform=place) as out:
        out.write(np.ones((1, 64, 64), "uint8"))
    # A ten-thousandth of a degree at 60 degrees: 11.14 m to the north, 5.58 m to the east.
    assert pixel_area(DECODER, tmp_path / "a.tif") == pytest.approx(11.141 * 5.580, rel=2e-3)


def test_places_that_are_not_on_the_earth_are_none(tmp_path: Path) -> None:
    scene(tmp_path / "wrong.tif", (60, 60), west=4e9)
    scene(tmp_path / "a.tif", (60, 60), west=400_000)
    assert footprint(DECODER, tmp_path / "wrong.tif") is None
    assert pixel_area(DECODER, tmp_path / "wrong.tif") is None
    assert leaks(tmp_path, {"train": ["wrong.tif"], "test": ["a.tif"]}) == []


def test_leaks__tiles_of_a_sinusoidal_map(tmp_path: Path) -> None:
    modis = "+proj=sinu +lon_0=0 +x_0=0 +y_0=0 +R=6371007.181 +units=m +no_defs"
    profile: dict[str, Any] = {
        "driver": "GTiff",
        "height": 120,
        "width": 120,
        "count": 1,
        "dtype": "uint8",
        "crs": modis,
    }
    side = 1_111_950.5197
    for name, column in (("h11v02", 11), ("h17v02", 17)):
        place = from_origin((column - 18) * side, 7 * side, side / 120, side / 120)
        with rasterio.open(tmp_path / f"{name}.tif", "w", **profile, transform=place) as out:
            out.write(np.ones((1, 120, 120), "uint8"))
    assert leaks(tmp_path, {"train": ["h11v02.tif"], "test": ["h17v02.tif"]}) == []


def test_leaks__across_the_antimeridian(tmp_path: Path) -> None:
    profile: dict[str, Any] = {"driver": "GTiff", "height": 100, "width": 100, "count": 1, "dtype": "uint8"}
    for name, zone, longitude in (("fiji", 32760, 179.98), ("beyond", 32701, 179.98), ("africa", 32733, 15.0)):
        (x,), (y,) = transform("EPSG:4326", f"EPSG:{zone}", [longitude], [-17.0])
        with rasterio.open(
            tmp_path / f"{name}.tif", "w", **profile, crs=f"EPSG:{zone}", transform=from_origin(x, y, 100, 100)
        ) as out:
            out.write(np.ones((1, 100, 100), "uint8"))
    west, _, east, _ = footprint(DECODER, tmp_path / "fiji.tif").bounds
    assert (west, east) == (-180, 180)
    (said,) = leaks(tmp_path, {"train": ["fiji.tif", "africa.tif"], "test": ["beyond.tif"]})
    assert said.startswith("fiji.tif: in train, shows the ground of beyond.tif in test")
